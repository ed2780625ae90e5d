// Functions of the adapter that cross into SQLite once for what its API does in
// several calls. Results are codes of sqlite3.h. A connection, and what was
// prepared on it, is for one call at a time, whatever the thread.

#include <sqlite3.h>

#include "../adapter/renew.h"

enum { SQ_KEYSPACES = 6, SQ_STATE = SQ_KEYSPACES, SQ_TABLES };

typedef struct {
	sqlite3 *db;
	sqlite3_stmt *get[SQ_TABLES], *put[SQ_TABLES], *del[SQ_TABLES];
	sqlite3_stmt *range[SQ_TABLES], *tail[SQ_TABLES]; // scans with and without an end
	sqlite3_stmt *begin, *commit, *rollback, *snapshot;
	const char *const *tables;
} sq_conn;

// sq_open opens a connection and runs setup on it, statements that say how it
// is configured and, in a new store, make the tables. After an error c is
// closed, and *message, if it is set, is to be freed with sqlite3_free.
int sq_open(sq_conn *c, const char *path, int flags, const char *setup, const char *const *tables, char **message);
void sq_close(sq_conn *c);

typedef struct {
	int rc;     // SQLITE_ROW: found, SQLITE_DONE: not
	size_t len; // of the record, which may be more than was copied
} sq_read;

// sq_get copies the record under the key to buf, or its first cap bytes.
sq_read sq_get(sq_conn *c, int table, const void *key, size_t keylen, void *buf, size_t cap);

// sq_commit carries out operations (adapter.Ops) in one transaction.
int sq_commit(sq_conn *c, const void *ops, size_t len);

typedef struct {
	int rc;      // SQLITE_OK, or what went wrong
	int outcome; // OB_RENEWED ..., if rc is SQLITE_OK
	uint64_t have;
} sq_renewed;

// sq_renew_lease renews the lease under the key in one transaction.
sq_renewed sq_renew_lease(sq_conn *c, const void *key, size_t keylen, const ob_renewal *r);

// sq_begin makes what the connection reads stay as it is now, until sq_end.
int sq_begin(sq_conn *c);
int sq_end(sq_conn *c);

typedef struct {
	int rc;       // SQLITE_OK, or what went wrong
	size_t len;   // bytes filled; if count is 0 and done is 0, what the next record needs
	size_t count; // records in buf
	int done;     // there are no more
} sq_chunk;

// sq_seek begins a scan of [from, to); to may be NULL. It ends with sqlite3_reset.
int sq_seek(sq_conn *c, int table, const void *from, size_t fromlen, const void *to, size_t tolen, sqlite3_stmt **scan);

// sq_next fills buf with records (u32 key length, u32 record length, key, record).
// *row says whether the scan stands on a record that is not handed over yet; it
// is 0 for the first call.
sq_chunk sq_next(sqlite3_stmt *scan, int *row, void *buf, size_t cap);

// sq_copy writes a copy of the store as it is now to a new file.
int sq_copy(sq_conn *c, const char *path);

// sq_check has SQLite check the trees of the whole database; what it finds first,
// or "ok", is copied to buf as a string of at most cap bytes with its end.
int sq_check(sq_conn *c, char *buf, size_t cap);
