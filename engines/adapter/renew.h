// The renewal of a lease within a stored record, for adapters that renew in C
// in one crossing. It does what DecodeRecord and lease.Renewal.Patch do, on the
// same bytes; conformance compares the two paths. The go command does not track
// this file: after a change build with -a, or touch the shims that include it.

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little endian, and this code takes their fields as they lie"
#endif

// What came of a renewal. OB_SLOW asks the caller to find out in Go what is
// wrong: the record is missing, is no lease, or has expired.
enum { OB_RENEWED, OB_CONFLICT, OB_SLOW };

typedef struct {
	uint64_t held, next; // the version that is required, the one that follows
	int64_t expires_at, now; // ns since the Unix epoch
} ob_renewal;

// ob_renew patches a record (version, lease) in place. *have is its version.
static inline int ob_renew(unsigned char *record, size_t len, const ob_renewal *r, uint64_t *have)
{
	enum { VERSION = 8, HEAD = 40, NODE_LEN = 2, RENEWALS = 4, EXPIRES = 8, RENEWED = 16 };
	unsigned char *lease = record + VERSION;
	uint16_t node;
	uint32_t renewals;
	int64_t expires;

	if (len < VERSION + HEAD)
		return OB_SLOW;
	memcpy(have, record, 8);
	if (*have == 0)
		return OB_SLOW;
	if (*have != r->held)
		return OB_CONFLICT;
	memcpy(&node, lease + NODE_LEN, 2);
	memcpy(&renewals, lease + RENEWALS, 4);
	memcpy(&expires, lease + EXPIRES, 8);
	if (lease[0] != 1 || lease[1] != 0 || len < VERSION + HEAD + (size_t)node || expires <= r->now)
		return OB_SLOW;
	if (renewals < UINT32_MAX)
		renewals++;
	memcpy(record, &r->next, 8);
	memcpy(lease + RENEWALS, &renewals, 4);
	memcpy(lease + EXPIRES, &r->expires_at, 8);
	memcpy(lease + RENEWED, &r->now, 8);
	return OB_RENEWED;
}
