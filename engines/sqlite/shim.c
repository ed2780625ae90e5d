//go:build sqlite && cgo

#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

static int prepare(sq_conn *c, sqlite3_stmt **stmt, const char *form, int table)
{
	char sql[256];
	if (*stmt != NULL)
		return SQLITE_OK;
	snprintf(sql, sizeof sql, form, c->tables[table]);
	return sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
}

int sq_open(sq_conn *c, const char *path, int flags, const char *setup, const char *const *tables, char **message)
{
	memset(c, 0, sizeof *c);
	c->tables = tables;
	int rc = sqlite3_open_v2(path, &c->db, flags, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(c->db, 1);
		sqlite3_busy_timeout(c->db, 10000);
		rc = sqlite3_exec(c->db, setup, NULL, NULL, message);
	}
	if (rc == SQLITE_OK && (flags & SQLITE_OPEN_READONLY) == 0)
		if ((rc = prepare(c, &c->begin, "BEGIN IMMEDIATE", 0)) == SQLITE_OK &&
		    (rc = prepare(c, &c->commit, "COMMIT", 0)) == SQLITE_OK &&
		    (rc = prepare(c, &c->rollback, "ROLLBACK", 0)) == SQLITE_OK)
			rc = prepare(c, &c->snapshot, "BEGIN DEFERRED", 0);
	if (rc != SQLITE_OK)
		sq_close(c);
	return rc;
}

void sq_close(sq_conn *c)
{
	sqlite3_stmt *stmt;
	while (c->db != NULL && (stmt = sqlite3_next_stmt(c->db, NULL)) != NULL)
		sqlite3_finalize(stmt);
	sqlite3_close(c->db);
	memset(c, 0, sizeof *c);
}

// run steps a statement that gives no rows.
static int run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// bind gives a key that is empty an address: NULL would be no key at all.
static int bind(sqlite3_stmt *stmt, int at, const void *p, size_t len)
{
	return sqlite3_bind_blob(stmt, at, len == 0 ? "" : p, (int)len, SQLITE_STATIC);
}

// find steps to the record under a key: SQLITE_ROW or SQLITE_DONE. The
// statement stands on it until it is reset.
static int find(sq_conn *c, int table, const void *key, size_t keylen, const void **record, size_t *len)
{
	int rc = prepare(c, &c->get[table], "SELECT r FROM %s WHERE k = ?1", table);
	if (rc != SQLITE_OK || (rc = bind(c->get[table], 1, key, keylen)) != SQLITE_OK)
		return rc;
	rc = sqlite3_step(c->get[table]);
	if (rc == SQLITE_ROW) {
		*record = sqlite3_column_blob(c->get[table], 0);
		*len = (size_t)sqlite3_column_bytes(c->get[table], 0);
		if (*record == NULL && *len > 0)
			return SQLITE_NOMEM;
	}
	return rc;
}

sq_read sq_get(sq_conn *c, int table, const void *key, size_t keylen, void *buf, size_t cap)
{
	const void *record;
	sq_read r = {0, 0};
	r.rc = find(c, table, key, keylen, &record, &r.len);
	if (r.rc == SQLITE_ROW && r.len > 0)
		memcpy(buf, record, r.len < cap ? r.len : cap);
	sqlite3_reset(c->get[table]);
	return r;
}

static int put(sq_conn *c, int table, const void *key, size_t keylen, const void *record, size_t len)
{
	int rc = prepare(c, &c->put[table], "INSERT OR REPLACE INTO %s (k, r) VALUES (?1, ?2)", table);
	if (rc != SQLITE_OK || (rc = bind(c->put[table], 1, key, keylen)) != SQLITE_OK || (rc = bind(c->put[table], 2, record, len)) != SQLITE_OK)
		return rc;
	return run(c->put[table]);
}

static int del(sq_conn *c, int table, const void *key, size_t keylen)
{
	int rc = prepare(c, &c->del[table], "DELETE FROM %s WHERE k = ?1", table);
	if (rc != SQLITE_OK || (rc = bind(c->del[table], 1, key, keylen)) != SQLITE_OK)
		return rc;
	return run(c->del[table]);
}

// finish commits, or rolls back after an error. The first error counts.
static int finish(sq_conn *c, int rc)
{
	if (rc == SQLITE_OK)
		rc = run(c->commit);
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(c->db))
		run(c->rollback);
	return rc;
}

int sq_commit(sq_conn *c, const void *ops, size_t len)
{
	int rc = run(c->begin);
	if (rc != SQLITE_OK)
		return rc;
	const unsigned char *op = ops, *end = op + len;
	while (rc == SQLITE_OK && op < end) {
		uint16_t keylen;
		uint32_t reclen;
		memcpy(&keylen, op + 2, 2);
		memcpy(&reclen, op + 4, 4);
		rc = op[0] ? put(c, op[1], op + 8, keylen, op + 8 + keylen, reclen) : del(c, op[1], op + 8, keylen);
		op += 8 + keylen + reclen;
	}
	return finish(c, rc);
}

static int renew_in(sq_conn *c, const void *key, size_t keylen, const ob_renewal *r, sq_renewed *out)
{
	unsigned char small[1024];
	unsigned char *copy = small;
	const void *record;
	size_t len;
	int rc = find(c, 0, key, keylen, &record, &len);
	if (rc == SQLITE_ROW && len > sizeof small && (copy = malloc(len)) == NULL)
		rc = SQLITE_NOMEM;
	if (rc == SQLITE_ROW)
		memcpy(copy, record, len);
	sqlite3_reset(c->get[0]);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	rc = SQLITE_OK;
	out->outcome = ob_renew(copy, len, r, &out->have);
	if (out->outcome == OB_RENEWED)
		rc = put(c, 0, key, keylen, copy, len);
	if (copy != small)
		free(copy);
	return rc;
}

sq_renewed sq_renew_lease(sq_conn *c, const void *key, size_t keylen, const ob_renewal *r)
{
	sq_renewed out = {0, OB_SLOW, 0};
	if ((out.rc = run(c->begin)) != SQLITE_OK)
		return out;
	out.rc = renew_in(c, key, keylen, r, &out);
	if (out.rc == SQLITE_OK && out.outcome != OB_RENEWED)
		out.rc = run(c->rollback);
	else
		out.rc = finish(c, out.rc);
	return out;
}

int sq_begin(sq_conn *c)
{
	const void *record;
	size_t len;
	int rc = run(c->snapshot);
	if (rc != SQLITE_OK)
		return rc;
	rc = find(c, SQ_STATE, "", 0, &record, &len); // the first read takes the snapshot
	sqlite3_reset(c->get[SQ_STATE]);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
		run(c->rollback);
		return rc;
	}
	return SQLITE_OK;
}

int sq_end(sq_conn *c) { return run(c->rollback); }

int sq_seek(sq_conn *c, int table, const void *from, size_t fromlen, const void *to, size_t tolen, sqlite3_stmt **scan)
{
	sqlite3_stmt **stmt = to != NULL ? &c->range[table] : &c->tail[table];
	int rc = prepare(c, stmt, to != NULL ? "SELECT k, r FROM %s WHERE k >= ?1 AND k < ?2 ORDER BY k" : "SELECT k, r FROM %s WHERE k >= ?1 ORDER BY k", table);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(*stmt, 1, fromlen == 0 ? "" : from, (int)fromlen, SQLITE_TRANSIENT);
	if (rc == SQLITE_OK && to != NULL)
		rc = sqlite3_bind_blob(*stmt, 2, to, (int)tolen, SQLITE_TRANSIENT);
	*scan = *stmt;
	return rc;
}

sq_chunk sq_next(sqlite3_stmt *scan, int *row, void *buf, size_t cap)
{
	sq_chunk c = {SQLITE_OK, 0, 0, 0};
	for (;;) {
		if (!*row) {
			int rc = sqlite3_step(scan);
			if (rc != SQLITE_ROW) {
				c.done = 1;
				c.rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
				return c;
			}
			*row = 1;
		}
		const void *key = sqlite3_column_blob(scan, 0), *record = sqlite3_column_blob(scan, 1);
		uint32_t head[2] = {(uint32_t)sqlite3_column_bytes(scan, 0), (uint32_t)sqlite3_column_bytes(scan, 1)};
		size_t need = 8 + (size_t)head[0] + head[1];
		if (c.len + need > cap) {
			if (c.count == 0)
				c.len = need;
			return c;
		}
		unsigned char *at = (unsigned char *)buf + c.len;
		memcpy(at, head, 8);
		if (head[0] > 0)
			memcpy(at + 8, key, head[0]);
		if (head[1] > 0)
			memcpy(at + 8 + head[0], record, head[1]);
		c.len += need;
		c.count++;
		*row = 0;
	}
}

int sq_copy(sq_conn *c, const char *path)
{
	sqlite3 *to = NULL;
	int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(to, 1);
		sqlite3_backup *b = sqlite3_backup_init(to, "main", c->db, "main");
		if (b != NULL) {
			rc = sqlite3_backup_step(b, -1); // all pages, in one read transaction
			int finished = sqlite3_backup_finish(b);
			rc = rc == SQLITE_DONE ? finished : rc;
		} else {
			rc = sqlite3_errcode(to);
		}
	}
	int closed = sqlite3_close(to);
	return rc == SQLITE_OK ? closed : rc;
}

int sq_check(sq_conn *c, char *buf, size_t cap)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(c->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const unsigned char *text = sqlite3_column_text(stmt, 0);
		snprintf(buf, cap, "%s", text == NULL ? "" : (const char *)text);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return rc;
}
