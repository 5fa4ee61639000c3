package kv

import (
	"encoding/binary"
	"fmt"

	"kahuna/internal/hlc"
)

// OpKind says what an Op does to its key.
type OpKind uint8

// The kinds. A field of Op.Row that a kind does not name is not carried by
// the encoding.
const (
	// Put makes Row the newest version. The version that was newest goes to
	// the history, unless its NoRev is set or its revision is outside the
	// number of revisions the store keeps. Row is carried whole, but for its
	// Gap, which follows from the version that was newest; a tombstone without
	// Value and Expires.
	Put OpKind = iota + 1
	// Touch gives the newest version another Expires and leaves everything
	// else of it, with no trace in the history (extend). It has no effect on
	// a key that has no row or a tombstone. Carries Row.Revision and
	// Row.Expires.
	Touch
	// Purge removes the key completely: newest version, history, expiry. The
	// next version of the key begins at revision 0 again.
	Purge
	// Prune removes the versions of the history that are older than
	// Row.Revision. The newest version stays, whatever its revision. It has no
	// Tail, and makes that of the key worthless.
	Prune
)

// String returns the name of the kind.
func (k OpKind) String() string {
	switch k {
	case Put:
		return "put"
	case Touch:
		return "touch"
	case Purge:
		return "purge"
	case Prune:
		return "prune"
	}
	return fmt.Sprintf("OpKind(%d)", uint8(k))
}

// Op is one effect on one key.
type Op struct {
	Kind  OpKind
	Space Space
	Key   string
	Row   Row
	// Old is a hint: the newest version of the key just before this Op,
	// expired and deleted ones included, or a row of Revision -1 when the key
	// has none. It can save the store a read, changes no result, and must be
	// right when it is given. It is not encoded.
	Old *Row
	// Tail is where the store keeps what else it has to know to do without that
	// read. All operations on a key that have an Old name the same one, if any.
	// It is not encoded.
	Tail *Tail
}

// Tail is what the store knows of a key besides its newest version. Whoever
// keeps one fills it with store.Load, or leaves it empty, and must not look at
// it while an Op that names it may be on its way to the store. After a failed
// Apply it is of no use.
type Tail struct {
	Block   []byte // encoded older versions, in the row of the newest
	Known   bool
	Singles bool // some version may be in a row of its own
	Marked  bool // the store will find the block when it looks for old versions
}

// StoredResult is the remembered result of a script that was sent with an
// idempotency key.
type StoredResult struct {
	Key     string        // the idempotency key
	Request [32]byte      // fingerprint of the request
	Time    hlc.Timestamp // commit time
	Result  []byte
}

// Batch is one entry of the replicated log: the effects of many scripts, in
// the order in which they ran. Several Ops may name the same key; each acts
// on what the ones before it left.
type Batch struct {
	Time    hlc.Timestamp // highest clock reading in the batch
	Ops     []Op
	Forget  Period // results of this time are forgotten, before Results are stored
	Results []StoredResult
}

// Period is the commit times from From on, before To. The zero Period is empty.
type Period struct{ From, To hlc.Timestamp }

// Has reports whether t is in p.
func (p Period) Has(t hlc.Timestamp) bool { return p.From <= t && t < p.To }

// Join returns the least period that has all of p and q, and what is between
// them.
func (p Period) Join(q Period) Period {
	if p == (Period{}) {
		return q
	}
	return Period{min(p.From, q.From), max(p.To, q.To)}
}

// The encoding: a header of fixed size, then records in any order.
//
//	header  version(1) time(8, big endian) ops(4, big endian)
//	record  tag(1) [length key] ...
//	  Put     Δmodified revision Δprev [Δexpires] [length value]
//	  Touch   revision expires
//	  Purge
//	  Prune   revision
//	  result  fingerprint(32) Δtime length result
//	  forget  Δtime Δtime, without a key
//
// Lengths are unsigned, all other numbers zigzag variable-length integers.
// Δmodified and Δtime are relative to the last time in the batch, Δprev to
// revision-1, Δexpires to the milliseconds of modified, so that each is a byte
// or two in the common case. All differences are modulo 2^64: every value of
// every field survives the round trip.
const (
	batchVersion = 2
	batchHeader  = 1 + 8 + 4

	recordResult = 5
	recordForget = 6

	tagKind    = 0x0f
	tagSpace   = 0x10
	tagDeleted = 0x20
	tagNoRev   = 0x40
	tagExpires = 0x80

	// opBytesMin is the size of the smallest encoded Op: tag, length and one
	// byte of key. It bounds what a forged count can make Decode allocate.
	opBytesMin = 3
)

// encoder builds the encoding of a Batch.
type encoder struct {
	buf  []byte
	last hlc.Timestamp // the time written last
}

func (e *encoder) op(op *Op) {
	tag := byte(op.Kind) & tagKind
	if op.Space == Ephemeral {
		tag |= tagSpace
	}
	row := &op.Row
	if op.Kind == Put {
		switch {
		case row.Deleted:
			tag |= tagDeleted
		case row.Expires != 0:
			tag |= tagExpires
		}
		if row.NoRev {
			tag |= tagNoRev
		}
	}
	b := e.begin(tag, op.Key)
	switch op.Kind {
	case Put:
		b = e.appendTime(b, row.Modified)
		b = binary.AppendVarint(b, row.Revision)
		b = binary.AppendVarint(b, row.Revision-1-row.Prev)
		if tag&tagExpires != 0 {
			b = binary.AppendVarint(b, row.Expires-row.Modified.Millis())
		}
		if !row.Deleted {
			b = appendString(b, row.Value)
		}
	case Touch:
		b = binary.AppendVarint(b, row.Revision)
		b = binary.AppendVarint(b, row.Expires)
	case Prune:
		b = binary.AppendVarint(b, row.Revision)
	}
	e.buf = b
}

func (e *encoder) result(r *StoredResult) {
	b := e.begin(recordResult, r.Key)
	b = append(b, r.Request[:]...)
	b = e.appendTime(b, r.Time)
	b = binary.AppendUvarint(b, uint64(len(r.Result)))
	e.buf = append(b, r.Result...)
}

func (e *encoder) begin(tag byte, key string) []byte {
	return appendString(append(e.buf, tag), key)
}

func (e *encoder) appendTime(b []byte, t hlc.Timestamp) []byte {
	b = binary.AppendVarint(b, int64(t-e.last))
	e.last = t
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Size returns about how many bytes the encoding of op takes, some more rather
// than less.
func (op *Op) Size() int { return len(op.Key) + len(op.Row.Value) + recordBytes }

// Size returns about how many bytes the encoding of r takes.
func (r *StoredResult) Size() int {
	return len(r.Key) + len(r.Request) + len(r.Result) + recordBytes
}

// ForgetBytes is about how many bytes the encoding of a Forget takes.
const ForgetBytes = 24

// recordBytes is what a usual record has beside its texts.
const recordBytes = 16

// Encode returns the encoding of a whole batch in a new slice. No key may be
// empty.
func (b *Batch) Encode() []byte {
	size := batchHeader
	for i := range b.Ops {
		size += b.Ops[i].Size()
	}
	if b.Forget != (Period{}) {
		size += ForgetBytes
	}
	for i := range b.Results {
		size += b.Results[i].Size()
	}
	e := encoder{buf: make([]byte, batchHeader, size)}
	e.buf[0] = batchVersion
	binary.BigEndian.PutUint64(e.buf[1:], uint64(b.Time))
	binary.BigEndian.PutUint32(e.buf[9:], uint32(len(b.Ops)))
	for i := range b.Ops {
		e.op(&b.Ops[i])
	}
	if b.Forget != (Period{}) {
		e.buf = e.appendTime(append(e.buf, recordForget), b.Forget.From)
		e.buf = e.appendTime(e.buf, b.Forget.To)
	}
	for i := range b.Results {
		e.result(&b.Results[i])
	}
	return e.buf
}

// DecodeError is the error of Decode.
type DecodeError struct {
	Offset int // where in the data, in bytes
	Detail string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("batch damaged at byte %d: %s", e.Offset, e.Detail)
}

// Decode reads what Encode wrote. The strings of the batch alias one copy
// of data, so each of them keeps the whole of it in memory; data itself is not
// kept. It never panics and never allocates more than a fixed multiple of
// len(data), whatever the data. Its error is a *DecodeError.
func Decode(data []byte) (*Batch, error) {
	if len(data) < batchHeader {
		return nil, &DecodeError{len(data), "too short"}
	}
	if data[0] != batchVersion {
		return nil, &DecodeError{0, fmt.Sprintf("format version %d, this program reads %d: use the version that wrote it, or a newer one", data[0], batchVersion)}
	}
	count := uint64(binary.BigEndian.Uint32(data[9:]))
	if count > uint64(len(data)-batchHeader)/opBytesMin {
		return nil, &DecodeError{9, "more operations than bytes for them"}
	}
	b := &Batch{Time: hlc.Timestamp(binary.BigEndian.Uint64(data[1:]))}
	if count > 0 {
		b.Ops = make([]Op, 0, count)
	}
	d := decoder{data: string(data), pos: batchHeader}
	for d.pos < len(d.data) && d.err == nil {
		d.record(b)
	}
	if d.err == nil && uint64(len(b.Ops)) != count {
		d.fail("number of operations differs from the header")
	}
	if d.err != nil {
		return nil, d.err
	}
	return b, nil
}

// decoder reads from data at pos. After the first error all reads return zero
// values and pos stays.
type decoder struct {
	data string
	pos  int
	last hlc.Timestamp
	err  error
}

func (d *decoder) fail(detail string) {
	if d.err == nil {
		d.err = &DecodeError{d.pos, detail}
	}
}

func (d *decoder) record(b *Batch) {
	tag := d.data[d.pos]
	d.pos++
	if tag&tagKind == recordForget {
		from := d.time()
		b.Forget = b.Forget.Join(Period{from, d.time()})
		return
	}
	key := d.string()
	if d.err == nil && key == "" {
		d.fail("empty key")
	}
	if d.err != nil {
		return
	}
	switch tag & tagKind {
	case recordResult:
		r := StoredResult{Key: key}
		copy(r.Request[:], d.bytes(uint64(len(r.Request))))
		r.Time = d.time()
		r.Result = []byte(d.string())
		b.Results = append(b.Results, r)
	case byte(Put), byte(Touch), byte(Purge), byte(Prune):
		if len(b.Ops) == cap(b.Ops) {
			d.fail("more operations than the header says")
			return
		}
		b.Ops = append(b.Ops, Op{Kind: OpKind(tag & tagKind), Key: key})
		d.op(tag, &b.Ops[len(b.Ops)-1])
	default:
		d.fail("unknown kind of record")
	}
}

func (d *decoder) op(tag byte, op *Op) {
	if tag&tagSpace != 0 {
		op.Space = Ephemeral
	}
	row := &op.Row
	switch op.Kind {
	case Put:
		row.Deleted = tag&tagDeleted != 0
		row.NoRev = tag&tagNoRev != 0
		row.Modified = d.time()
		row.Revision = d.varint()
		row.Prev = row.Revision - 1 - d.varint()
		if row.Deleted {
			if tag&tagExpires != 0 {
				d.fail("tombstone with an expiry")
			}
			return
		}
		if tag&tagExpires != 0 {
			row.Expires = d.varint() + row.Modified.Millis()
		}
		row.Value = d.string()
	case Touch:
		row.Revision = d.varint()
		row.Expires = d.varint()
	case Prune:
		row.Revision = d.varint()
	}
}

func (d *decoder) time() hlc.Timestamp {
	d.last += hlc.Timestamp(d.varint())
	return d.last
}

func (d *decoder) string() string { return d.bytes(d.uvarint()) }

func (d *decoder) bytes(n uint64) string {
	if d.err != nil {
		return ""
	}
	if n > uint64(len(d.data)-d.pos) {
		d.fail("ends inside a record")
		return ""
	}
	s := d.data[d.pos : d.pos+int(n)]
	d.pos += int(n)
	return s
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	var x uint64
	for shift := 0; d.pos < len(d.data); shift += 7 {
		c := d.data[d.pos]
		if shift == 63 && c > 1 {
			d.fail("number out of range")
			return 0
		}
		d.pos++
		x |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return x
		}
	}
	d.fail("ends inside a number")
	return 0
}
