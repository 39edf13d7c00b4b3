// Asks an OpenAI-shaped endpoint on this machine, over keep-alive connections, and says what came back.
//
//   load --port P [--connections 32] [--seconds 2] [--calls N] [--rate R] [--path /v1/chat/completions] [--model bench]
//        [--prompt BYTES] [--fresh] [--max-tokens 64] [--temperature 0.7] [--stream] [--usage] [--abort SHARE] [--key KEY] [--grace-s 10]
//
// Closed loop: each connection asks again as soon as it is answered. --rate R: an open loop, R calls a second at random moments
// (Poisson), whose times run from when a call was due. Ends after --seconds or --calls, whichever is first, and then waits --grace-s
// for what is under way; with 0 it hangs up on it ("held"). --fresh: a new prompt each time. --abort: this share of streams is hung up
// on after a quarter of its tokens. A call is good if its status is 200, its answer is whole, and a stream had every token.
// Tokens are times (see stub.c), so that the delay on the way is known. Prints one JSON object; all times are in microseconds.
// node-load.ts is the same program for machines without a compiler.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
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
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MICROS 1000000ull
enum { OCTAVE = 64, BUCKETS = 40 * OCTAVE, LINE = 8192, WAITING_MOST = 1 << 16 };

// Counts of values, 64 buckets to an octave: within 1.6 % of the value.
typedef struct { uint64_t counts[BUCKETS], total, most; } Spread;
static int bucket_of(uint64_t value) {
  if (value < OCTAVE) return (int)value;
  int power = 63 - __builtin_clzll(value);
  int bucket = (power - 5) * OCTAVE + (int)((value >> (power - 6)) & (OCTAVE - 1));
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}
static uint64_t bucket_value(int bucket) {
  if (bucket < OCTAVE) return (uint64_t)bucket;
  int power = bucket / OCTAVE + 5;
  return (1ull << power) + ((uint64_t)(bucket % OCTAVE) << (power - 6));
}
static void note(Spread *spread, uint64_t value) {
  spread->counts[bucket_of(value)]++;
  spread->total++;
  if (value > spread->most) spread->most = value;
}
static uint64_t at_share(const Spread *spread, double share) {
  uint64_t rank = (uint64_t)ceil(share * (double)spread->total), seen = 0;
  if (spread->total == 0) return 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++)
    if ((seen += spread->counts[bucket]) >= rank) return bucket_value(bucket);
  return spread->most;
}

typedef enum { HEAD, BODY, UNTIL_CLOSE, SIZE, CHUNK, CHUNK_END, TRAILER } Stage;
typedef struct Conn {
  int fd, is_busy, is_dead, is_kept, aborts, waits_for_room, status, closes, has_digits;
  Stage stage;
  char line[LINE]; // of the head, or of a chunk's size
  size_t line_used, left;
  char *rest;      // of a request that the socket did not take at once
  size_t rest_used, rest_sent;
  uint64_t due, stamp;
  long tokens;
  struct Conn *idle_next;
} Conn;

static int port, connections = 32, is_stream, wants_usage, is_fresh, poller, timer;
static double seconds = 2, temperature = 0.7, rate, abort_share, grace_s = 10;
static long calls_most, prompt_bytes = 60, max_tokens = 64;
static const char *path = "/v1/chat/completions", *model = "bench", *key;
static char *request, *fresh_at;
static size_t request_bytes;
static Spread latency, first_byte, delay, late;
static uint64_t issued, good, aborted, held, chunks, bytes_in, statuses[600], cut, short_answers, refused, unread, dropped;
static uint64_t begun, ends;
static Conn *all, *idle;
static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * MICROS + (uint64_t)t.tv_nsec / 1000;
}
static double chance(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (double)(random_state >> 11) / 9007199254740992.0;
}

static void build_request(void) {
  static const char WORDS[] = "the quick brown fox jumps over the lazy dog and ";
  char *prompt = malloc((size_t)prompt_bytes + 1), *body, head[4096], field[256] = "", options[256] = "";
  for (long i = 0; i < prompt_bytes; i++) prompt[i] = WORDS[i % (long)(sizeof WORDS - 1)];
  prompt[prompt_bytes] = 0;
  if (key) snprintf(field, sizeof field, "authorization: Bearer %s\r\n", key);
  int is_vectors = strstr(path, "/embeddings") != NULL, is_chat = strstr(path, "/chat/") != NULL;
  if (!is_vectors)
    snprintf(options, sizeof options, ",\"temperature\":%g,\"max_tokens\":%ld%s%s", temperature, max_tokens, is_stream ? ",\"stream\":true" : "",
      is_stream && wants_usage ? ",\"stream_options\":{\"include_usage\":true}" : "");
  const char *form = is_chat ? "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"},"
                               "{\"role\":\"user\",\"content\":\"################ %s\"}]%s}"
    : is_vectors ? "{\"model\":\"%s\",\"input\":\"################ %s\"%s}" : "{\"model\":\"%s\",\"prompt\":\"################ %s\"%s}";
  int body_bytes = asprintf(&body, form, model, prompt, options);
  int head_bytes = snprintf(head, sizeof head,
    "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\naccept: %s\r\nuser-agent: headgate-bench\r\n"
    "%scontent-length: %d\r\n\r\n", path, port, is_stream ? "text/event-stream" : "application/json", field, body_bytes);
  request_bytes = (size_t)(head_bytes + body_bytes);
  request = malloc(request_bytes);
  memcpy(request, head, (size_t)head_bytes);
  memcpy(request + head_bytes, body, (size_t)body_bytes);
  fresh_at = memmem(request, request_bytes, "################", 16);
  memcpy(fresh_at, "0000000000000000", 16);
  free(prompt);
  free(body);
}

static int dial(Conn *conn) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  conn->is_dead = 1;
  conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (conn->fd < 0) return 0;
  if (connect(conn->fd, (void *)&to, sizeof to)) { close(conn->fd); return 0; }
  setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(conn->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = conn};
  epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event);
  conn->is_dead = conn->is_kept = conn->waits_for_room = 0;
  return 1;
}

static void hang_up(Conn *conn) {
  if (!conn->is_dead) close(conn->fd);
  conn->is_dead = 1;
  conn->rest_used = conn->rest_sent = 0;
}

static void over(Conn *conn) {
  conn->is_busy = 0;
  conn->is_kept = 1;
  if (conn->closes) hang_up(conn);
}

static void want_room(Conn *conn, int wants) {
  if (conn->waits_for_room == wants) return;
  conn->waits_for_room = wants;
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (wants ? EPOLLOUT : 0u), .data.ptr = conn};
  epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &event);
}

// @returns whether the request is on its way
static int transmit(Conn *conn) {
  conn->stage = HEAD;
  conn->line_used = conn->left = 0;
  conn->status = conn->closes = conn->has_digits = 0;
  conn->tokens = 0;
  for (int tries = 0; tries < 2; tries++) {
    if (conn->is_dead && !dial(conn)) break;
    ssize_t sent = send(conn->fd, request, request_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) { hang_up(conn); continue; }
    if (sent < 0) sent = 0;
    if ((size_t)sent < request_bytes) {
      conn->rest = realloc(conn->rest, request_bytes);
      conn->rest_used = request_bytes - (size_t)sent;
      conn->rest_sent = 0;
      memcpy(conn->rest, request + sent, conn->rest_used);
      want_room(conn, 1);
    }
    return 1;
  }
  refused++;
  conn->is_busy = 0;
  return 0;
}

static void issue(Conn *conn, uint64_t due) {
  char digits[17];
  issued++;
  if (is_fresh) {
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)(issued ^ (begun << 20)));
    memcpy(fresh_at, digits, 16);
  }
  conn->is_busy = 1;
  conn->aborts = is_stream && abort_share > 0 && chance() < abort_share;
  conn->due = due;
  uint64_t now = now_us();
  if (now > due) note(&late, now - due);
  transmit(conn);
}

static void send_rest(Conn *conn) {
  while (conn->rest_sent < conn->rest_used) {
    ssize_t sent = send(conn->fd, conn->rest + conn->rest_sent, conn->rest_used - conn->rest_sent, MSG_NOSIGNAL);
    if (sent < 0) return;
    conn->rest_sent += (size_t)sent;
  }
  conn->rest_used = conn->rest_sent = 0;
  want_room(conn, 0);
}

static void finish(Conn *conn, uint64_t now) {
  if (conn->status < 600) statuses[conn->status]++;
  if (conn->status == 200 && is_stream && conn->tokens != max_tokens) short_answers++;
  else if (conn->status == 200) {
    good++;
    note(&latency, now - conn->due);
  }
  over(conn);
}

// Finds the times that tokens are: @ and digits. Whatever the proxy has cut a frame into, it goes on where it was.
static void look(Conn *conn, const char *at, size_t count, uint64_t now) {
  for (const char *end = at + count; at < end;) {
    if (!conn->has_digits) {
      if (!(at = memchr(at, '@', (size_t)(end - at)))) return;
      at++;
      conn->has_digits = 1;
      conn->stamp = 0;
    }
    while (at < end && *at >= '0' && *at <= '9') conn->stamp = conn->stamp * 10 + (uint64_t)(*at++ - '0');
    if (at == end) return;
    conn->has_digits = 0;
    conn->tokens++;
    chunks++;
    note(&delay, now > conn->stamp ? now - conn->stamp : 0);
  }
}

static void read_head(Conn *conn) {
  char *begin = conn->line;
  conn->line[conn->line_used] = 0;
  sscanf(begin, "HTTP/1.%*d %d", &conn->status);
  if (conn->status > 599) conn->status = 0;
  int is_chunked = 0, has_length = 0;
  for (char *line = begin; (line = strchr(line, '\n')) && *++line;) {
    if (!strncasecmp(line, "content-length:", 15)) { conn->left = strtoul(line + 15, NULL, 10); has_length = 1; }
    if (!strncasecmp(line, "transfer-encoding: chunked", 26)) is_chunked = 1;
    if (!strncasecmp(line, "connection: close", 17)) conn->closes = 1;
  }
  conn->line_used = 0;
  conn->stage = conn->status < 200 ? HEAD : is_chunked ? SIZE : has_length ? BODY : UNTIL_CLOSE;
}

// Takes what has come of an answer. @returns 1 when that was all of it, -1 where it is none
static int take(Conn *conn, const char *at, size_t count, uint64_t now) {
  for (const char *end = at + count; at < end || (conn->stage == BODY && conn->left == 0);) {
    size_t here = (size_t)(end - at);
    switch (conn->stage) {
      case HEAD: case SIZE: case CHUNK_END: case TRAILER: {
        if (conn->line_used == LINE - 1) return -1;
        char c = conn->line[conn->line_used++] = *at++;
        if (c != '\n') break;
        if (conn->stage == HEAD) {
          if (conn->line_used >= 4 && !memcmp(conn->line + conn->line_used - 4, "\r\n\r\n", 4)) {
            read_head(conn);
            if (conn->status == 0) return -1;
          }
          break;
        }
        if (conn->stage == SIZE) {
          conn->line[conn->line_used] = 0;
          conn->left = strtoul(conn->line, NULL, 16);
          conn->stage = conn->left == 0 ? TRAILER : CHUNK;
        } else if (conn->stage == CHUNK_END) conn->stage = SIZE;
        else if (conn->line_used <= 2) return 1;
        conn->line_used = 0;
        break;
      }
      case BODY: case CHUNK: {
        size_t part = conn->left < here ? conn->left : here;
        if (is_stream) look(conn, at, part, now);
        at += part;
        conn->left -= part;
        if (conn->left > 0) break;
        if (conn->stage == BODY) return 1;
        conn->stage = CHUNK_END;
        break;
      }
      case UNTIL_CLOSE: if (is_stream) look(conn, at, here, now); at = end; break;
    }
    if (conn->aborts && conn->tokens * 4 >= max_tokens) return 1;
  }
  return 0;
}

static void on_readable(Conn *conn) {
  static char buffer[1 << 16];
  for (;;) {
    ssize_t n = recv(conn->fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    uint64_t now = now_us();
    if (n <= 0) {
      int is_unheard = conn->stage == HEAD && conn->line_used == 0 && conn->is_kept;
      if (conn->is_busy && conn->stage == UNTIL_CLOSE && n == 0) finish(conn, now);
      else if (conn->is_busy && !is_unheard) { cut++; conn->is_busy = 0; }
      hang_up(conn);
      // A kept connection was closed at the very moment it was used: the call is made anew, once, as any client does.
      if (conn->is_busy) transmit(conn);
      return;
    }
    bytes_in += (uint64_t)n;
    if (!conn->is_busy) { unread++; return hang_up(conn); }
    if (conn->stage == HEAD && conn->line_used == 0) note(&first_byte, now - conn->due);
    int state = take(conn, buffer, (size_t)n, now);
    if (state == 0) { if ((size_t)n < sizeof buffer) return; continue; }
    if (conn->aborts && conn->status == 200) { aborted++; conn->is_busy = 0; return hang_up(conn); }
    if (state > 0) return finish(conn, now);
    cut++;
    conn->is_busy = 0;
    return hang_up(conn);
  }
}

static int may_issue(uint64_t now) { return now < ends && (!calls_most || (long)issued < calls_most); }

// An open loop: what is due and finds no free connection waits its turn, and its time runs.
static void issue_due(uint64_t now) {
  static uint64_t queue[WAITING_MOST], next_due;
  static size_t first, last;
  if (!next_due) next_due = begun;
  for (; next_due <= now && next_due < ends; next_due += (uint64_t)(-log(1 - chance()) / rate * MICROS)) {
    if (last - first < WAITING_MOST) queue[last++ % WAITING_MOST] = next_due;
    else dropped++;
  }
  while (first < last && idle && (!calls_most || (long)issued < calls_most)) {
    Conn *conn = idle;
    idle = conn->idle_next;
    issue(conn, queue[first++ % WAITING_MOST]);
    if (!conn->is_busy) { conn->idle_next = idle; idle = conn; }
  }
  struct itimerspec at = {.it_value = {(time_t)(next_due / MICROS), (long)(next_due % MICROS) * 1000}};
  if (next_due < ends) timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void print_spread(const char *name, const Spread *of) {
  printf(",\"%s\":{\"count\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu}", name, (unsigned long long)of->total,
    (unsigned long long)at_share(of, .5), (unsigned long long)at_share(of, .9), (unsigned long long)at_share(of, .99),
    (unsigned long long)at_share(of, .999), (unsigned long long)of->most);
}

static void print_result(double elapsed) {
  printf("{\"seconds\":%.3f,\"calls\":%llu,\"ok\":%llu,\"aborted\":%llu,\"held\":%llu,\"chunks\":%llu,\"bytes\":%llu,\"errors\":{", elapsed,
    (unsigned long long)issued, (unsigned long long)good, (unsigned long long)aborted, (unsigned long long)held,
    (unsigned long long)chunks, (unsigned long long)bytes_in);
  const struct { const char *name; uint64_t count; } kinds[] = {{"refused", refused}, {"cut", cut}, {"short", short_answers},
    {"unasked", unread}, {"dropped", dropped}};
  const char *comma = "";
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) if (kinds[i].count) {
    printf("%s\"%s\":%llu", comma, kinds[i].name, (unsigned long long)kinds[i].count);
    comma = ",";
  }
  for (int status = 0; status < 600; status++) if (statuses[status] && status != 200) {
    printf("%s\"status %d\":%llu", comma, status, (unsigned long long)statuses[status]);
    comma = ",";
  }
  printf("}");
  print_spread("latency_us", &latency);
  print_spread("first_byte_us", &first_byte);
  print_spread("chunk_delay_us", &delay);
  print_spread("late_us", &late);
  printf("}\n");
}

static int read_options(int count, char **words) {
  static const struct option OPTIONS[] = {{"port", 1, 0, 'p'}, {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 'd'}, {"calls", 1, 0, 'n'},
    {"rate", 1, 0, 'r'}, {"path", 1, 0, 'P'}, {"model", 1, 0, 'm'}, {"prompt", 1, 0, 'b'}, {"fresh", 0, 0, 'f'}, {"max-tokens", 1, 0, 't'}, {"temperature", 1, 0, 'T'},
    {"stream", 0, 0, 's'}, {"usage", 0, 0, 'u'}, {"abort", 1, 0, 'a'}, {"key", 1, 0, 'k'}, {"grace-s", 1, 0, 'g'}, {0}};
  for (int option; (option = getopt_long(count, words, "", OPTIONS, NULL)) != -1;) switch (option) {
    case 'p': port = atoi(optarg); break;
    case 'c': connections = atoi(optarg); break;
    case 'd': seconds = atof(optarg); break;
    case 'n': calls_most = atol(optarg); break;
    case 'r': rate = atof(optarg); break;
    case 'P': path = optarg; break;
    case 'm': model = optarg; break;
    case 'b': prompt_bytes = atol(optarg); break;
    case 'f': is_fresh = 1; break;
    case 't': max_tokens = atol(optarg); break;
    case 'T': temperature = atof(optarg); break;
    case 's': is_stream = 1; break;
    case 'u': wants_usage = 1; break;
    case 'a': abort_share = atof(optarg); break;
    case 'k': key = optarg; break;
    case 'g': grace_s = atof(optarg); break;
    default: return 0;
  }
  return port > 0 && connections > 0 && prompt_bytes >= 0;
}

int main(int count, char **words) {
  if (!read_options(count, words)) { fprintf(stderr, "load: --port P is missing, or an option is wrong\n"); return 2; }
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  build_request();
  poller = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &timer};
  epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
  all = calloc((size_t)connections, sizeof *all);
  for (int i = 0; i < connections; i++) {
    if (!dial(&all[i])) refused++;
    all[i].idle_next = i + 1 < connections ? &all[i + 1] : NULL;
  }
  idle = all;
  begun = now_us();
  ends = begun + (uint64_t)(seconds * MICROS);
  uint64_t gives_up = ends + (uint64_t)(grace_s * MICROS);
  for (int i = 0; rate <= 0 && i < connections && may_issue(begun); i++) issue(&all[i], now_us());

  static struct epoll_event events[512];
  uint64_t looked = begun;
  for (;;) {
    uint64_t now = now_us();
    if (rate > 0) issue_due(now);
    else if (refused > 0 && now - looked > 20000) {
      // Those that found nobody try again, at their leisure.
      for (int i = 0; i < connections && may_issue(now); i++) if (!all[i].is_busy) issue(&all[i], now_us());
      looked = now;
    }
    int busy = 0;
    if (!may_issue(now) || now >= ends) {
      for (int i = 0; i < connections && !busy; i++) busy = all[i].is_busy;
      if (!busy || now >= gives_up) break;
    }
    int n = epoll_wait(poller, events, 512, 20);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr == &timer) {
        uint64_t ticks;
        if (read(timer, &ticks, sizeof ticks) < 0) { /* armed anew meanwhile */ }
        continue;
      }
      Conn *conn = events[i].data.ptr;
      if (conn->is_dead) continue;
      int was_busy = conn->is_busy;
      if (events[i].events & EPOLLOUT) send_rest(conn);
      on_readable(conn);
      if (!was_busy || conn->is_busy) continue;
      if (rate > 0) { conn->idle_next = idle; idle = conn; }
    }
    // Asked again here, so that one that is refused over and over does not keep the others waiting.
    if (rate <= 0) for (int i = 0; i < n; i++) {
      Conn *conn = events[i].data.ptr;
      if (events[i].data.ptr != &timer && !conn->is_busy && may_issue(now_us())) issue(conn, now_us());
    }
  }
  for (int i = 0; i < connections; i++) if (all[i].is_busy) held++;
  print_result((double)(now_us() - begun) / MICROS);
  return 0;
}
