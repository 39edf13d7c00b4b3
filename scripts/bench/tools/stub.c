// A worker shaped like a vLLM that costs almost nothing, so that what is measured is the proxy in front of it.
//
//   stub --answers DIR [--port 0] [--step-us 20000] [--think-us 0] [--keep-alive-s 5]
//
// Prints "listening PORT". What it answers are the files of DIR (written by answers.ts), with a few figures put in; node-stub.ts is
// the same program for machines without a compiler. One step serves all streams at once, as continuous batching does, and a token's
// text is the CLOCK_MONOTONIC time in microseconds at which it was written. It names a call after its x-request-id, and closes a
// connection that has been idle for keep-alive-s, as a vLLM with default flags does.
//
//   GET /bench/stat                        what it has counted, as JSON
//   GET /bench/set?step_us=N&think_us=N    another pace, until further notice
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PARTS = 64, MAX_BODY = 64 << 20, ID_BYTES = 128 };
#define MICROS 1000000ull

typedef struct { char *at; size_t used, size; } Bytes;

// A file of answers, cut at its markers. A part is a literal, or the name of a figure.
typedef struct { char kind; const char *text; size_t length; } Part;
typedef struct { Part parts[MAX_PARTS]; int count; } Answer;
static const char *const MARKERS[] = {"<<ID>>", "<<STAMP>>", "<<TOKENS>>", "<<TOTAL>>", "<<RUNNING>>", "<<GENERATED>>", "<<CALLS>>"};
enum { LITERAL, ID, STAMP, TOKENS, TOTAL, RUNNING, GENERATED, CALLS, PROMPT_TOKENS = 14 };

// What an endpoint answers with; `role` is empty where a stream has no frame before its first token.
typedef struct { const char *path; Answer whole, role, token, last, usage; } Api;
static Api chat = {.path = "/v1/chat/completions"}, text = {.path = "/v1/completions"}, vectors = {.path = "/v1/embeddings"};
static Answer models, metrics;

typedef enum { READING, THINKING, STREAMING, DEAD } State;
typedef struct Conn {
  int fd, is_first, wants_usage, closes, waits_for_room;
  State state;
  Bytes in, out;
  size_t sent;
  const Api *api;
  char id[ID_BYTES];
  long tokens, left;
  uint64_t due, touched;
  struct Conn *next, *previous;            // of all connections
  struct Conn *busy_next, *busy_previous;  // of those that think, oldest first, or those that stream
} Conn;
typedef struct { Conn *first, *last; } Queue;

static int poller, timer, open_now, open_most;
static Conn *all;
static Queue thinking, streaming;
static Conn *dead;
static uint64_t step_us = 20000, think_us, keep_alive_us = 5 * MICROS, next_step, next_sweep, armed;
static uint64_t calls, streams, aborts, tokens_made;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * MICROS + (uint64_t)t.tv_nsec / 1000;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void reserve(Bytes *bytes, size_t more) {
  if (bytes->used + more <= bytes->size) return;
  bytes->size = (bytes->used + more) * 2;
  if (!(bytes->at = realloc(bytes->at, bytes->size))) fail("memory");
}

static void add(Bytes *bytes, const char *from, size_t count) {
  reserve(bytes, count);
  memcpy(bytes->at + bytes->used, from, count);
  bytes->used += count;
}

static void push(Queue *queue, Conn *conn) {
  conn->busy_next = NULL;
  conn->busy_previous = queue->last;
  if (queue->last) queue->last->busy_next = conn;
  else queue->first = conn;
  queue->last = conn;
}

static void take_out(Queue *queue, Conn *conn) {
  if (conn->busy_previous) conn->busy_previous->busy_next = conn->busy_next;
  else queue->first = conn->busy_next;
  if (conn->busy_next) conn->busy_next->busy_previous = conn->busy_previous;
  else queue->last = conn->busy_previous;
}

static Answer load_answer(const char *folder, const char *name) {
  Answer answer = {.count = 0};
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_RDONLY);
  struct stat info;
  if (fd < 0 || fstat(fd, &info)) fail(path);
  char *at = malloc((size_t)info.st_size + 1);
  if (read(fd, at, (size_t)info.st_size) != info.st_size) fail(path);
  at[info.st_size] = 0;
  close(fd);
  while (*at) {
    char *marker = strstr(at, "<<");
    size_t plain = marker ? (size_t)(marker - at) : strlen(at);
    if (answer.count + 2 > MAX_PARTS) { fprintf(stderr, "%s has too many markers\n", path); exit(1); }
    if (plain > 0) answer.parts[answer.count++] = (Part){LITERAL, at, plain};
    at += plain;
    if (!marker) break;
    int kind = 0;
    for (size_t i = 0; i < sizeof MARKERS / sizeof *MARKERS; i++)
      if (!strncmp(at, MARKERS[i], strlen(MARKERS[i]))) kind = (int)i + 1;
    if (!kind) { fprintf(stderr, "%s has an unknown marker: %.16s\n", path, at); exit(1); }
    answer.parts[answer.count++] = (Part){(char)kind, NULL, 0};
    at += strlen(MARKERS[kind - 1]);
  }
  return answer;
}

static int streams_now(void) { int n = 0; for (Conn *c = streaming.first; c; c = c->busy_next) n++; return n; }

static void fill(Bytes *out, const Answer *answer, const Conn *conn) {
  char figure[32];
  for (const Part *part = answer->parts; part < answer->parts + answer->count; part++) {
    uint64_t value = 0;
    switch (part->kind) {
      case LITERAL: add(out, part->text, part->length); continue;
      case ID: add(out, conn->id, strlen(conn->id)); continue;
      case STAMP: value = now_us(); break;
      case TOKENS: value = (uint64_t)conn->tokens; break;
      case TOTAL: value = (uint64_t)conn->tokens + PROMPT_TOKENS; break;
      case RUNNING: value = (uint64_t)streams_now(); break;
      case GENERATED: value = tokens_made; break;
      case CALLS: value = calls; break;
    }
    add(out, figure, (size_t)snprintf(figure, sizeof figure, "%llu", (unsigned long long)value));
  }
}

static void chunk(Bytes *out, const Answer *answer, const Conn *conn) {
  static Bytes frame;
  char size[16];
  frame.used = 0;
  fill(&frame, answer, conn);
  if (frame.used == 0) return;
  add(out, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", frame.used));
  add(out, frame.at, frame.used);
  add(out, "\r\n", 2);
}

static void head(Conn *conn, int status, const char *type, long length) {
  static char date[64];
  static time_t of;
  char line[512];
  time_t now = time(NULL);
  if (now != of) strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&(time_t){of = now}));
  const char *reason = status == 200 ? "OK" : status == 404 ? "Not Found" : "Bad Request";
  int n = snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\ndate: %s\r\nserver: uvicorn\r\n", status, reason, date);
  if (length >= 0) n += snprintf(line + n, sizeof line - (size_t)n, "content-length: %ld\r\n", length);
  n += snprintf(line + n, sizeof line - (size_t)n, "content-type: %s\r\nvary: Origin\r\n", type);
  if (conn->closes) n += snprintf(line + n, sizeof line - (size_t)n, "connection: close\r\n");
  if (length < 0) n += snprintf(line + n, sizeof line - (size_t)n, "transfer-encoding: chunked\r\n");
  n += snprintf(line + n, sizeof line - (size_t)n, "\r\n");
  add(&conn->out, line, (size_t)n);
}

static void respond(Conn *conn, int status, const char *type, const char *body, size_t length) {
  head(conn, status, type, (long)length);
  add(&conn->out, body, length);
}

static void respond_with(Conn *conn, const char *type, const Answer *answer) {
  static Bytes body;
  body.used = 0;
  fill(&body, answer, conn);
  respond(conn, 200, type, body.at, body.used);
}

static void watch(Conn *conn, int for_room) {
  if (conn->waits_for_room == for_room) return;
  conn->waits_for_room = for_room;
  struct epoll_event event = {.events = EPOLLIN | (for_room ? EPOLLOUT : 0u), .data.ptr = conn};
  epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &event);
}

// Its memory stays until the events of this turn have been seen.
static void bury(Conn *conn) {
  if (conn->state == DEAD) return;
  if (conn->state == STREAMING) take_out(&streaming, conn);
  if (conn->state == THINKING) take_out(&thinking, conn);
  if (conn->state != READING) aborts++;
  conn->state = DEAD;
  if (conn->previous) conn->previous->next = conn->next;
  else all = conn->next;
  if (conn->next) conn->next->previous = conn->previous;
  open_now--;
  close(conn->fd);
  conn->busy_next = dead;
  dead = conn;
}

static void free_dead(void) {
  for (Conn *conn; (conn = dead);) {
    dead = conn->busy_next;
    free(conn->in.at);
    free(conn->out.at);
    free(conn);
  }
}

static void send_out(Conn *conn) {
  while (conn->sent < conn->out.used) {
    ssize_t n = send(conn->fd, conn->out.at + conn->sent, conn->out.used - conn->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) watch(conn, 1);
      else bury(conn);
      return;
    }
    conn->sent += (size_t)n;
  }
  conn->sent = conn->out.used = 0;
  watch(conn, 0);
  if (conn->closes && conn->state == READING) bury(conn);
}

static void arm(void) {
  uint64_t due = all ? next_sweep : 0;
  if (streaming.first && (!due || next_step < due)) due = next_step;
  if (thinking.first && (!due || thinking.first->due < due)) due = thinking.first->due;
  if (due == armed) return;
  armed = due;
  struct itimerspec at = {.it_value = {(time_t)(due / MICROS), (long)(due % MICROS) * 1000}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

// The value of a field in JSON, blanks or none around the colon; NULL where it is missing. An escaped quote is not a quote.
static const char *field(const char *body, size_t length, const char *quoted) {
  const char *end = body + length, *at = memmem(body, length, quoted, strlen(quoted));
  if (!at) return NULL;
  for (at += strlen(quoted); at < end && (*at == ' ' || *at == ':' || *at == '\n'); at++);
  return at < end ? at : NULL;
}

static int is_true(const char *value) { return value && !strncmp(value, "true", 4); }

static void begin_answer(Conn *conn, const Api *api, const char *body, size_t length) {
  calls++;
  conn->api = api;
  const char *most = field(body, length, "\"max_tokens\"");
  if (!most) most = field(body, length, "\"max_completion_tokens\"");
  conn->tokens = most ? strtol(most, NULL, 10) : 16;
  if (conn->tokens < 1) conn->tokens = 1;
  if (api->token.count > 0 && is_true(field(body, length, "\"stream\""))) {
    streams++;
    conn->wants_usage = is_true(field(body, length, "\"include_usage\""));
    conn->left = conn->tokens;
    conn->is_first = 1;
    conn->state = STREAMING;
    if (!streaming.first) next_step = (now_us() / step_us + 1) * step_us;
    push(&streaming, conn);
    head(conn, 200, "text/event-stream; charset=utf-8", -1);
    return;
  }
  tokens_made += (uint64_t)conn->tokens;
  if (think_us == 0) return respond_with(conn, "application/json", &api->whole);
  conn->state = THINKING;
  conn->due = now_us() + think_us;
  push(&thinking, conn);
}

static void answer_call(Conn *conn, const char *line, const char *body, size_t length) {
  const Api *apis[] = {&chat, &text, &vectors};
  char note[512];
  for (size_t i = 0; i < 3 && !strncmp(line, "POST ", 5); i++)
    if (!strncmp(line + 5, apis[i]->path, strlen(apis[i]->path)) && line[5 + strlen(apis[i]->path)] == ' ')
      return begin_answer(conn, apis[i], body, length);
  if (!strncmp(line, "GET /health ", 12)) return respond(conn, 200, "text/plain", "", 0);
  if (!strncmp(line, "GET /v1/models ", 15)) return respond_with(conn, "application/json", &models);
  if (!strncmp(line, "GET /metrics ", 13)) return respond_with(conn, "text/plain; version=0.0.4; charset=utf-8", &metrics);
  if (!strncmp(line, "GET /version ", 13)) return respond(conn, 200, "application/json", "{\"version\":\"0.32.0\"}", 20);
  if (!strncmp(line, "GET /load ", 10)) return respond(conn, 200, "application/json", "{\"server_load\":0}", 17);
  if (!strncmp(line, "GET /bench/", 11)) {
    const char *step = strstr(line, "step_us="), *think = strstr(line, "think_us="), *end = strchr(line, '\r');
    if (step && step < end && strtoull(step + 8, NULL, 10) > 0) step_us = strtoull(step + 8, NULL, 10);
    if (think && think < end) think_us = strtoull(think + 9, NULL, 10);
    int n = snprintf(note, sizeof note,
      "{\"calls\":%llu,\"streams\":%llu,\"aborts\":%llu,\"tokens\":%llu,\"streaming\":%d,\"open\":%d,\"open_most\":%d}",
      (unsigned long long)calls, (unsigned long long)streams, (unsigned long long)aborts, (unsigned long long)tokens_made,
      streams_now(), open_now, open_most);
    return respond(conn, 200, "application/json", note, (size_t)n);
  }
  respond(conn, 404, "application/json", "{\"detail\":\"Not Found\"}", 22);
}

// Unpacks a chunked body in place. @returns the bytes that it took of `from`, 0 while it is not all there, -1 where it is none
static long unchunk(char *from, size_t length, size_t *body) {
  char *at = from, *end = from + length, *to = from;
  for (;;) {
    char *line = memchr(at, '\n', (size_t)(end - at));
    if (!line) return 0;
    char *after;
    size_t size = strtoul(at, &after, 16);
    if (after == at || size > MAX_BODY) return -1;
    at = line + 1;
    if (size == 0) break;
    if ((size_t)(end - at) < size + 2) return 0;
    memmove(to, at, size);
    to += size;
    at += size + 2;
  }
  char *last = memchr(at, '\n', (size_t)(end - at));
  if (!last) return 0;
  *body = (size_t)(to - from);
  return last + 1 - from;
}

// @returns whether a call was taken from what has come in
static int next_call(Conn *conn) {
  if (conn->state != READING || conn->in.used == 0) return 0;
  char *begin = conn->in.at, *end = memmem(begin, conn->in.used, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t length = 0, head_bytes = (size_t)(end - begin) + 4;
  int is_chunked = 0;
  snprintf(conn->id, sizeof conn->id, "%08lx%08lx", random(), random());
  for (char *line = begin, *next; line < end; line = next) {
    next = (char *)memchr(line, '\n', (size_t)(end + 2 - line)) + 1;
    if (!strncasecmp(line, "content-length:", 15)) length = strtoul(line + 15, NULL, 10);
    if (!strncasecmp(line, "transfer-encoding:", 18)) is_chunked = 1;
    if (!strncasecmp(line, "connection: close", 17)) conn->closes = 1;
    if (!strncasecmp(line, "x-request-id:", 13)) sscanf(line + 13, " %127[!-~]", conn->id);
  }
  size_t total = head_bytes + length;
  if (length > MAX_BODY) { bury(conn); return 0; }
  if (is_chunked) {
    // Unpacked from a copy: what is not all there yet is looked at again from its beginning.
    static Bytes copy;
    copy.used = 0;
    add(&copy, begin + head_bytes, conn->in.used - head_bytes);
    long taken = unchunk(copy.at, copy.used, &length);
    if (taken < 0) bury(conn);
    if (taken <= 0) return 0;
    total = head_bytes + (size_t)taken;
    answer_call(conn, begin, copy.at, length);
  } else {
    if (conn->in.used < total) return 0;
    answer_call(conn, begin, begin + head_bytes, length);
  }
  memmove(conn->in.at, conn->in.at + total, conn->in.used - total);
  conn->in.used -= total;
  return 1;
}

static void serve(Conn *conn) {
  while (next_call(conn));
  if (conn->state != DEAD) send_out(conn);
}

static void read_in(Conn *conn) {
  conn->touched = now_us();
  for (;;) {
    reserve(&conn->in, 65536);
    ssize_t n = recv(conn->fd, conn->in.at + conn->in.used, conn->in.size - conn->in.used - 1, 0);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) return bury(conn);
    conn->in.used += (size_t)n;
    conn->in.at[conn->in.used] = 0;
  }
  serve(conn);
}

static void advance(Conn *conn) {
  const Api *api = conn->api;
  if (conn->is_first) chunk(&conn->out, &api->role, conn);
  conn->is_first = 0;
  conn->left--;
  tokens_made++;
  chunk(&conn->out, conn->left > 0 ? &api->token : &api->last, conn);
  if (conn->left > 0) return send_out(conn);
  if (conn->wants_usage) chunk(&conn->out, &api->usage, conn);
  add(&conn->out, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", 24);
  take_out(&streaming, conn);
  conn->state = READING;
  conn->touched = now_us();
  serve(conn);
}

static void on_time(uint64_t now) {
  uint64_t ticks;
  if (read(timer, &ticks, sizeof ticks) < 0) { /* armed anew meanwhile */ }
  armed = 0;
  if (streaming.first && now >= next_step) {
    for (Conn *conn = streaming.first, *next; conn; conn = next) {
      next = conn->busy_next;
      advance(conn);
    }
    next_step = (now_us() / step_us + 1) * step_us;
  }
  while (thinking.first && thinking.first->due <= now) {
    Conn *conn = thinking.first;
    take_out(&thinking, conn);
    conn->state = READING;
    respond_with(conn, "application/json", &conn->api->whole);
    serve(conn);
  }
  if (now < next_sweep) return;
  next_sweep = now + MICROS / 4;
  for (Conn *conn = all, *next; conn; conn = next) {
    next = conn->next;
    if (conn->state == READING && conn->out.used == 0 && now - conn->touched > keep_alive_us) bury(conn);
  }
}

static void accept_all(int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Conn *conn = calloc(1, sizeof *conn);
    conn->fd = fd;
    conn->touched = now_us();
    if ((conn->next = all)) all->previous = conn;
    all = conn;
    if (++open_now > open_most) open_most = open_now;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int count, char **words) {
  static const struct option OPTIONS[] = {{"port", 1, 0, 'p'}, {"answers", 1, 0, 'a'}, {"step-us", 1, 0, 's'},
    {"think-us", 1, 0, 't'}, {"keep-alive-s", 1, 0, 'k'}, {0}};
  const char *folder = NULL;
  int port = 0, one = 1;
  for (int option; (option = getopt_long(count, words, "", OPTIONS, NULL)) != -1;) switch (option) {
    case 'p': port = atoi(optarg); break;
    case 'a': folder = optarg; break;
    case 's': step_us = strtoull(optarg, NULL, 10); break;
    case 't': think_us = strtoull(optarg, NULL, 10); break;
    case 'k': keep_alive_us = (uint64_t)(atof(optarg) * MICROS); break;
    default: return 2;
  }
  if (!folder || step_us == 0) { fprintf(stderr, "stub: --answers DIR is missing, or --step-us is 0\n"); return 2; }
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Api *apis[] = {&chat, &text, &vectors};
  const char *names[] = {"chat", "text", "vectors"}, *parts[] = {"whole", "role", "token", "last", "usage"};
  for (int i = 0; i < 3; i++) {
    Answer *to[] = {&apis[i]->whole, &apis[i]->role, &apis[i]->token, &apis[i]->last, &apis[i]->usage};
    for (int part = 0; part < (i == 2 ? 1 : 5); part++) {
      char name[64];
      snprintf(name, sizeof name, "%s-%s", names[i], parts[part]);
      *to[part] = load_answer(folder, name);
    }
  }
  models = load_answer(folder, "models");
  metrics = load_answer(folder, "metrics");

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  socklen_t size = sizeof address;
  if (bind(listener, (void *)&address, size) || listen(listener, 8192)) fail("stub: cannot listen");
  getsockname(listener, (void *)&address, &size);
  poller = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  event.data.ptr = &timer;
  epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);

  static struct epoll_event events[1024];
  for (;;) {
    int n = epoll_wait(poller, events, 1024, -1);
    for (int i = 0; i < n; i++) {
      Conn *conn = events[i].data.ptr;
      if (events[i].data.ptr == &listener) accept_all(listener);
      else if (events[i].data.ptr == &timer) on_time(now_us());
      else if (conn->state == DEAD) continue;
      else if (events[i].events & (EPOLLERR | EPOLLHUP)) bury(conn);
      else {
        if (events[i].events & EPOLLOUT) send_out(conn);
        if (conn->state != DEAD && events[i].events & EPOLLIN) read_in(conn);
      }
    }
    free_dead();
    if (next_sweep == 0) next_sweep = now_us() + MICROS / 4;
    arm();
  }
}
