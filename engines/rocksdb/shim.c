//go:build rocksdb && cgo

#include <stdint.h>
#include <string.h>

#include "rocksdb/c.h"
#include "shim.h"

ob_read ob_get(void *db, void *readoptions, void *cf, const void *key, size_t keylen, void *buf, size_t cap)
{
	ob_read r = {NULL, 0, 0};
	rocksdb_pinnableslice_t *p = rocksdb_get_pinned_cf(db, readoptions, cf, key, keylen, &r.err);
	if (p == NULL)
		return r;
	const char *value = rocksdb_pinnableslice_value(p, &r.len);
	if (value != NULL) {
		r.found = 1;
		memcpy(buf, value, r.len < cap ? r.len : cap);
	}
	rocksdb_pinnableslice_destroy(p);
	return r;
}

char *ob_write(void *db, void *writeoptions, const void *rep, size_t len)
{
	char *err = NULL;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create_from(rep, len);
	rocksdb_write(db, writeoptions, b, &err);
	rocksdb_writebatch_destroy(b);
	return err;
}

char *ob_sync_wal(void *db)
{
	char *err = NULL;
	rocksdb_flush_wal(db, 1, &err);
	return err;
}

void ob_seek(void *iter, const void *from, size_t fromlen)
{
	if (fromlen == 0)
		rocksdb_iter_seek_to_first(iter);
	else
		rocksdb_iter_seek(iter, from, fromlen);
}

static int reached(const char *key, size_t keylen, const void *upper, size_t upperlen)
{
	int order = memcmp(key, upper, keylen < upperlen ? keylen : upperlen);
	return order > 0 || (order == 0 && keylen >= upperlen);
}

ob_chunk ob_next(void *iter, const void *upper, size_t upperlen, void *buf, size_t cap)
{
	ob_chunk c = {NULL, 0, 0, 0};
	for (; rocksdb_iter_valid(iter); rocksdb_iter_next(iter)) {
		size_t keylen, valuelen;
		const char *key = rocksdb_iter_key(iter, &keylen);
		if (upper != NULL && reached(key, keylen, upper, upperlen)) {
			c.done = 1;
			return c;
		}
		const char *value = rocksdb_iter_value(iter, &valuelen);
		size_t need = 8 + keylen + valuelen;
		if (c.len + need > cap) {
			if (c.count == 0)
				c.len = need;
			return c;
		}
		uint32_t head[2] = {(uint32_t)keylen, (uint32_t)valuelen};
		char *to = (char *)buf + c.len;
		memcpy(to, head, 8);
		memcpy(to + 8, key, keylen);
		memcpy(to + 8 + keylen, value, valuelen);
		c.len += need;
		c.count++;
	}
	rocksdb_iter_get_error(iter, &c.err);
	c.done = 1;
	return c;
}
