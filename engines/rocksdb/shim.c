//go:build rocksdb && cgo

#include <stdint.h>
#include <stdlib.h>
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

// write_renewed writes a record that was patched.
static void write_renewed(void *db, void *writeoptions, void *cf, const void *key, size_t keylen, const unsigned char *record, size_t len, ob_renewed *out)
{
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	rocksdb_writebatch_put_cf(b, cf, key, keylen, (const char *)record, len);
	rocksdb_writebatch_data(b, &out->len);
	out->wrote = 1;
	rocksdb_write(db, writeoptions, b, &out->err);
	rocksdb_writebatch_destroy(b);
}

ob_renewed ob_renew_lease(void *db, void *readoptions, void *writeoptions, void *cf, const void *key, size_t keylen, const ob_renewal *r)
{
	ob_renewed out = {NULL, 0, OB_SLOW, 0, 0};
	unsigned char small[1024];
	unsigned char *record = small;
	size_t len;
	rocksdb_pinnableslice_t *p = rocksdb_get_pinned_cf(db, readoptions, cf, key, keylen, &out.err);
	if (p == NULL)
		return out;
	const char *value = rocksdb_pinnableslice_value(p, &len);
	if (value == NULL || (len > sizeof small && (record = malloc(len)) == NULL)) {
		rocksdb_pinnableslice_destroy(p);
		return out;
	}
	memcpy(record, value, len);
	rocksdb_pinnableslice_destroy(p);
	out.outcome = ob_renew(record, len, r, &out.have);
	if (out.outcome == OB_RENEWED)
		write_renewed(db, writeoptions, cf, key, keylen, record, len, &out);
	if (record != small)
		free(record);
	return out;
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
