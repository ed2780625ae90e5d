//go:build lmdb && cgo

#include <errno.h>
#include <stdlib.h>

#include "shim.h"

int lm_open(ob_store *s, const char *dir, const char *const *names, size_t map, unsigned readers, unsigned flags)
{
	MDB_txn *txn = NULL;
	MDB_envinfo info;
	MDB_stat stat;
	int rc = mdb_env_create(&s->env);
	if (rc != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(s->env, map)) != 0 ||
	    (rc = mdb_env_set_maxreaders(s->env, readers)) != 0 ||
	    (rc = mdb_env_set_maxdbs(s->env, OB_DATABASES)) != 0 ||
	    (rc = mdb_env_open(s->env, dir, flags, 0644)) != 0 ||
	    (rc = mdb_txn_begin(s->env, NULL, flags & MDB_RDONLY, &txn)) != 0)
		goto failed;
	for (int i = 0; i < OB_DATABASES; i++)
		if ((rc = mdb_dbi_open(txn, names[i], flags & MDB_RDONLY ? 0 : MDB_CREATE, &s->dbis[i])) != 0) {
			mdb_txn_abort(txn);
			goto failed;
		}
	if ((rc = mdb_txn_commit(txn)) != 0 || (rc = mdb_env_info(s->env, &info)) != 0 || (rc = mdb_env_stat(s->env, &stat)) != 0)
		goto failed;
	s->page = stat.ms_psize;
	s->last = info.me_last_pgno;
	s->map = info.me_mapsize;
	return 0;
failed:
	mdb_env_close(s->env);
	s->env = NULL;
	return rc;
}

int lm_reader(ob_store *s, MDB_txn **txn)
{
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, txn);
	if (rc == 0)
		mdb_txn_reset(*txn);
	return rc;
}

int lm_see_latest(MDB_txn *txn)
{
	for (;;) {
		MDB_envinfo info;
		int rc = mdb_txn_renew(txn);
		if (rc != 0 || (rc = mdb_env_info(mdb_txn_env(txn), &info)) != 0)
			return rc;
		if (info.me_last_txnid < mdb_txn_id(txn) + 2)
			return 0;
		mdb_txn_reset(txn);
	}
}

ob_read lm_get(MDB_txn *txn, int latest, MDB_dbi dbi, const void *key, size_t keylen, void *buf, size_t cap)
{
	ob_read r = {0, 0};
	MDB_val k = {keylen, (void *)key}, v;
	if (latest && (r.rc = lm_see_latest(txn)) != 0)
		return r;
	r.rc = mdb_get(txn, dbi, &k, &v);
	if (r.rc == 0) {
		r.len = v.mv_size;
		memcpy(buf, v.mv_data, v.mv_size < cap ? v.mv_size : cap);
	}
	if (latest)
		mdb_txn_reset(txn);
	return r;
}

static int carry_out(MDB_txn *txn, const MDB_dbi *dbis, const unsigned char *op, size_t len)
{
	for (const unsigned char *end = op + len; op < end;) {
		uint16_t keylen;
		uint32_t vallen;
		memcpy(&keylen, op + 2, 2);
		memcpy(&vallen, op + 4, 4);
		MDB_val k = {keylen, (void *)(op + 8)}, v = {vallen, (void *)(op + 8 + keylen)};
		int rc = op[0] ? mdb_put(txn, dbis[op[1]], &k, &v, 0) : mdb_del(txn, dbis[op[1]], &k, NULL);
		if (rc != 0 && (op[0] || rc != MDB_NOTFOUND))
			return rc;
		op += 8 + keylen + vallen;
	}
	return 0;
}

int lm_commit(ob_store *s, const void *ops, size_t len, int flush)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	rc = carry_out(txn, s->dbis, ops, len);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	rc = mdb_txn_commit(txn);
	if (rc == 0 && flush)
		rc = mdb_env_sync(s->env, 1);
	return rc;
}

// renew_in patches the record that mdb_get found by writing a patched copy: the
// page that holds it belongs to readers too.
static int renew_in(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, const ob_renewal *r, ob_renewed *out)
{
	unsigned char small[1024];
	unsigned char *copy = small;
	if (v->mv_size > sizeof small && (copy = malloc(v->mv_size)) == NULL)
		return ENOMEM;
	memcpy(copy, v->mv_data, v->mv_size);
	int rc = 0;
	out->outcome = ob_renew(copy, v->mv_size, r, &out->have);
	if (out->outcome == OB_RENEWED) {
		MDB_val patched = {v->mv_size, copy};
		rc = mdb_put(txn, dbi, k, &patched, 0);
	}
	if (copy != small)
		free(copy);
	return rc;
}

ob_renewed lm_renew_lease(ob_store *s, const void *key, size_t keylen, const ob_renewal *r)
{
	ob_renewed out = {0, OB_SLOW, 0};
	MDB_val k = {keylen, (void *)key}, v;
	MDB_txn *txn;
	if ((out.rc = mdb_txn_begin(s->env, NULL, 0, &txn)) != 0)
		return out;
	out.rc = mdb_get(txn, s->dbis[0], &k, &v);
	if (out.rc == 0)
		out.rc = renew_in(txn, s->dbis[0], &k, &v, r, &out);
	else if (out.rc == MDB_NOTFOUND)
		out.rc = 0;
	if (out.rc != 0 || out.outcome != OB_RENEWED)
		mdb_txn_abort(txn);
	else
		out.rc = mdb_txn_commit(txn);
	return out;
}

int lm_seek(MDB_txn *txn, MDB_dbi dbi, const void *from, size_t fromlen, MDB_cursor **cursor, int *found)
{
	MDB_val k = {fromlen, (void *)from}, v;
	int rc = mdb_cursor_open(txn, dbi, cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(*cursor, &k, &v, fromlen == 0 ? MDB_FIRST : MDB_SET_RANGE);
	*found = rc == 0;
	if (rc != 0 && rc != MDB_NOTFOUND) {
		mdb_cursor_close(*cursor);
		return rc;
	}
	return 0;
}

static int reached(const MDB_val *key, const void *upper, size_t upperlen)
{
	int order = memcmp(key->mv_data, upper, key->mv_size < upperlen ? key->mv_size : upperlen);
	return order > 0 || (order == 0 && key->mv_size >= upperlen);
}

ob_chunk lm_next(MDB_cursor *cursor, const void *upper, size_t upperlen, void *buf, size_t cap)
{
	ob_chunk c = {0, 0, 0, 0};
	MDB_val k, v;
	for (c.rc = mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT); c.rc == 0; c.rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		if (upper != NULL && reached(&k, upper, upperlen)) {
			c.done = 1;
			return c;
		}
		size_t need = 8 + k.mv_size + v.mv_size;
		if (c.len + need > cap) {
			if (c.count == 0)
				c.len = need;
			return c;
		}
		uint32_t head[2] = {(uint32_t)k.mv_size, (uint32_t)v.mv_size};
		unsigned char *to = (unsigned char *)buf + c.len;
		memcpy(to, head, 8);
		memcpy(to + 8, k.mv_data, k.mv_size);
		memcpy(to + 8 + k.mv_size, v.mv_data, v.mv_size);
		c.len += need;
		c.count++;
	}
	c.done = 1;
	if (c.rc == MDB_NOTFOUND || c.rc == EINVAL) // EINVAL: the cursor stands past the end
		c.rc = 0;
	return c;
}

int lm_records(MDB_txn *txn, const ob_store *s, size_t *records)
{
	int rc = lm_see_latest(txn);
	if (rc != 0)
		return rc;
	*records = 0;
	for (int i = 0; i < OB_KEYSPACES && rc == 0; i++) {
		MDB_stat stat;
		rc = mdb_stat(txn, s->dbis[i], &stat);
		*records += stat.ms_entries;
	}
	mdb_txn_reset(txn);
	return rc;
}
