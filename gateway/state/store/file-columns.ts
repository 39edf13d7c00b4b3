/** What makes a FileRow, in SQL. A file that was deleted has expired at 0: it is there as long as its bytes are. */
export const FILE_COLUMNS = 'id, owner, bytes, created_at AS "createdAt", filename, purpose, expires_at AS "expiresAt"';
