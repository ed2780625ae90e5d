// Functions of the adapter that cross into LMDB once for what its API does in
// several calls: a write transaction belongs to the thread that began it, and
// here it begins and ends within one call. Results are 0, an errno, or a code of lmdb.h.

#include <lmdb.h>

#include "../adapter/renew.h"

enum { OB_KEYSPACES = 6, OB_STATE = OB_KEYSPACES, OB_DATABASES };

typedef struct {
	MDB_env *env;
	MDB_dbi dbis[OB_DATABASES]; // the keyspaces in numeric order, the state
	size_t page, last, map;     // page size, number of the last page, bytes mapped
} ob_store;

// lm_open opens the environment in dir, and its databases, which it makes where
// they are missing unless flags has MDB_RDONLY. After an error s is closed.
int lm_open(ob_store *s, const char *dir, const char *const *names, size_t map, unsigned readers, unsigned flags);

// lm_reader begins a read transaction and resets it at once: it keeps its slot
// in the table of readers and sees nothing until it is renewed.
int lm_reader(ob_store *s, MDB_txn **txn);

// lm_see_latest renews a read transaction so that it sees the latest commit and
// nothing later. mdb_txn_renew alone does not always: it takes the number of the
// latest commit and then reads the meta page of that number, on which the next
// but one is written, and is visible, before it is durable. A thread that is
// held up between the two sees a commit too early, and the next reader goes back.
int lm_see_latest(MDB_txn *txn);

typedef struct {
	int rc;
	size_t len; // of the value, which may be more than was copied
} ob_read;

// lm_get copies the value under the key to buf, or its first cap bytes. With
// latest the reset transaction is renewed for the call, else it is active.
ob_read lm_get(MDB_txn *txn, int latest, MDB_dbi dbi, const void *key, size_t keylen, void *buf, size_t cap);

// lm_commit carries out len bytes of operations in one transaction:
//   put, u8 (0 = delete); database, u8; key length, u16; value length, u32; key; value
// Integers are in the order of the machine. With flush it waits for the device
// also where MDB_NOSYNC is set.
int lm_commit(ob_store *s, const void *ops, size_t len, int flush);

typedef struct {
	int rc;      // of LMDB
	int outcome; // OB_RENEWED ..., if rc is 0
	uint64_t have;
} ob_renewed;

// lm_renew_lease renews the lease under the key in one transaction.
ob_renewed lm_renew_lease(ob_store *s, const void *key, size_t keylen, const ob_renewal *r);

typedef struct {
	int rc;
	size_t len;   // bytes filled; if count is 0 and done is 0, what the next record needs
	size_t count; // records in buf
	int done;     // the cursor is at the end, or at or past upper
} ob_chunk;

// lm_seek opens a cursor in an active transaction; *found tells whether it
// stands on a record, the first whose key is not below from.
int lm_seek(MDB_txn *txn, MDB_dbi dbi, const void *from, size_t fromlen, MDB_cursor **cursor, int *found);

// lm_next fills buf with records (u32 key length, u32 value length, key, value)
// from where the cursor stands, and moves it past them. upper may be NULL.
ob_chunk lm_next(MDB_cursor *cursor, const void *upper, size_t upperlen, void *buf, size_t cap);

// lm_records counts the records of all keyspaces.
int lm_records(MDB_txn *txn, const ob_store *s, size_t *records);
