// Functions of the adapter that cross into RocksDB once for what its C API
// does in several calls. Pointers are handles of the C API; errors are strings
// to be freed with rocksdb_free, NULL for none.

#include <stddef.h>

#include "../adapter/renew.h"

typedef struct {
	char  *err;
	size_t len;   // of the value, which may be more than was copied
	int    found;
} ob_read;

// ob_get copies the value under the key to buf, or its first cap bytes.
ob_read ob_get(void *db, void *readoptions, void *cf, const void *key, size_t keylen, void *buf, size_t cap);

typedef struct {
	char  *err;
	int    wrote;   // err is of the write, whose outcome it leaves open
	int    outcome; // OB_RENEWED ..., if err is NULL
	uint64_t have;
	size_t len;     // of the batch that was written
} ob_renewed;

// ob_renew_lease renews the lease under the key: get, check, patch, write. The
// caller holds the latch of the key.
ob_renewed ob_renew_lease(void *db, void *readoptions, void *writeoptions, void *cf, const void *key, size_t keylen, const ob_renewal *r);

// ob_write applies a batch given by its bytes.
char *ob_write(void *db, void *writeoptions, const void *rep, size_t len);

// ob_sync_wal makes everything written to the log durable.
char *ob_sync_wal(void *db);

typedef struct {
	char  *err;
	size_t len;   // bytes filled; if count is 0 and done is 0, what the next record needs
	size_t count; // records in buf
	int    done;  // the iterator is at its end, or at or past upper
} ob_chunk;

// ob_seek places an iterator at the first key not below from.
void ob_seek(void *iter, const void *from, size_t fromlen);

// ob_next fills buf with records (u32 key length, u32 value length, key, value)
// from where the iterator stands, and moves it past them. upper may be NULL.
ob_chunk ob_next(void *iter, const void *upper, size_t upperlen, void *buf, size_t cap);
