package wire

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"time"

	"kahuna"
	"kahuna/internal/wirepb"
)

const (
	// rowsMost bounds a bucket and a scan.
	rowsMost = 4096
	// ReplyBytes is what an answer may have: the clients take no larger one.
	ReplyBytes = 4 << 20
	// rowsBytes is what its rows may have, without what is around them.
	rowsBytes = ReplyBytes - 64<<10
	// rowOverhead is about what a row has beside key and value.
	rowOverhead = 64
)

// everMs is a time to come: a read as of it is of one moment, which is now.
var ever = time.UnixMilli(1 << 42)

// rowSeq are rows, the last one with an error.
type rowSeq = iter.Seq2[kahuna.Entry, error]

// row returns an entry as the protocol has it.
func row(e *kahuna.Entry) *wirepb.KeyValueByPrefixItemResponse {
	x, m := stamp(e.Expires), stamp(e.Modified)
	return &wirepb.KeyValueByPrefixItemResponse{Key: e.Key, Value: []byte(e.Value), Revision: e.Revision, State: wirepb.State_STATE_SET,
		ExpiresNode: x.node, ExpiresPhysical: x.physical, ExpiresCounter: x.counter,
		LastModifiedNode: m.node, LastModifiedPhysical: m.physical, LastModifiedCounter: m.counter}
}

// collect reads all rows, which must not be more than fit an answer.
func collect(rows rowSeq, most int) ([]*wirepb.KeyValueByPrefixItemResponse, *failure, error) {
	list := []*wirepb.KeyValueByPrefixItemResponse{}
	bytes := 0
	for e, err := range rows {
		if err != nil {
			return nil, nil, err
		}
		if reserved(e.Key) {
			continue
		}
		if bytes += len(e.Key) + len(e.Value) + rowOverhead; bytes > rowsBytes {
			return nil, errored(fmt.Sprintf("too many keys: an answer has at most %d bytes; read it in pages, as a range", ReplyBytes)), nil
		}
		if len(list) == most {
			return nil, errored(fmt.Sprintf("too many keys: more than %d; read them in pages, as a range", most)), nil
		}
		list = append(list, row(&e))
	}
	return list, nil, nil
}

// asOf returns the time to read as of. Outside transactions a read of what is now
// is of one moment, too; inside it is so anyway, and sees own writes.
func asOf(at timestamp, insideTx bool) time.Time {
	if at.none() {
		if insideTx {
			return time.Time{}
		}
		return ever
	}
	return time.UnixMilli(max(at.physical, 1))
}

// Bucket reads the keys of a bucket.
func (s *Service) Bucket(ctx context.Context, r *wirepb.GetByBucketRequest) *wirepb.GetByBucketResponse {
	fail := func(f *failure) *wirepb.GetByBucketResponse {
		return &wirepb.GetByBucketResponse{Type: f.kind, Detail: f.detail}
	}
	if f := checkPrefix(r.PrefixKey, r.Durability); f != nil {
		return fail(f)
	}
	read := func(ctx context.Context, t target, at timestamp) (*wirepb.GetByBucketResponse, error) {
		items, f, err := collect(t.Bucket(ctx, r.PrefixKey, &kahuna.RangeOptions{AsOf: asOf(at, t.inside)}), rowsMost)
		if f != nil || err != nil {
			return fail(orNone(f)), err
		}
		return &wirepb.GetByBucketResponse{Type: typeGet, Items: items}, nil
	}
	name := nameOf(r)
	if name.plain() {
		a, err := read(ctx, s.plain(r.Durability), readAt(r))
		if err != nil {
			return fail(failed(err))
		}
		return a
	}
	return operate(s, name, opBucket, r, fail, func(x *session) *wirepb.GetByBucketResponse {
		a, err := read(s.working, inside(x.tx, r.Durability), x.at(readAt(r)))
		if err != nil {
			return fail(x.failed(err))
		}
		return a
	})
}

// orNone returns f, or a failure that says nothing.
func orNone(f *failure) *failure {
	if f == nil {
		return &failure{}
	}
	return f
}

// at returns the time that a read of the transaction is as of.
func (x *session) at(asked timestamp) timestamp {
	if asked.none() {
		return x.readAt
	}
	return asked
}

func checkPrefix(prefix string, d wirepb.Durability) *failure {
	if prefix == "" {
		return invalid("the prefix is empty")
	}
	if words := durabilityWords(d); words != "" {
		return invalid(words)
	}
	return nil
}

// Scan reads all keys with a prefix.
func (s *Service) Scan(ctx context.Context, r *wirepb.ScanAllByPrefixRequest) *wirepb.ScanAllByPrefixResponse {
	fail := func(f *failure) *wirepb.ScanAllByPrefixResponse {
		return &wirepb.ScanAllByPrefixResponse{Type: f.kind, Detail: f.detail}
	}
	if f := checkPrefix(r.PrefixKey, r.Durability); f != nil {
		return fail(f)
	}
	items, f, err := collect(s.plain(r.Durability).Prefix(ctx, r.PrefixKey, &kahuna.RangeOptions{AsOf: asOf(readAt(r), false)}), rowsMost)
	switch {
	case err != nil:
		return fail(failed(err))
	case f != nil:
		return fail(f)
	}
	return &wirepb.ScanAllByPrefixResponse{Type: typeGet, Items: items}
}

// span are the keys with a prefix between two bounds.
type span struct {
	start, end string // end is excluded; empty is no bound
	empty      bool
}

// spanOf returns the keys that a range has.
func spanOf(prefix string, startKey *string, startInclusive bool, endKey *string, endInclusive bool) span {
	s := span{start: prefix, end: after(prefix)}
	if startKey != nil {
		from := *startKey
		if !startInclusive {
			from += "\x00" // the least text that is greater
		}
		s.start = max(s.start, from)
	}
	if endKey != nil && *endKey != "" {
		to := *endKey
		if endInclusive {
			to += "\x00"
		}
		if s.end == "" || to < s.end {
			s.end = to
		}
	}
	s.empty = s.end != "" && s.start >= s.end
	return s
}

// after returns the least text that is greater than all with a prefix, "" when
// there is none.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

// read returns the rows of a span, in the order of the keys.
func (s span) read(ctx context.Context, t target, o *kahuna.RangeOptions) rowSeq {
	if s.empty {
		return func(func(kahuna.Entry, error) bool) {}
	}
	return t.Range(ctx, s.start, s.end, o)
}

// page is a part of a range.
type page struct {
	items []*wirepb.KeyValueByPrefixItemResponse
	more  bool
	full  bool // it ends since it has enough bytes
}

// Page reads a page of a range. cursor continues an earlier one, as REST does; ""
// is the first page.
func (s *Service) Page(ctx context.Context, r *wirepb.GetByRangeRequest, cursor string) *wirepb.GetByRangeResponse {
	return s.page(ctx, r, cursor, true)
}

// Range reads a page of a range for a caller that cannot continue it: a page that
// does not fit an answer is an error.
func (s *Service) Range(ctx context.Context, r *wirepb.GetByRangeRequest) *wirepb.GetByRangeResponse {
	return s.page(ctx, r, "", false)
}

func (s *Service) page(ctx context.Context, r *wirepb.GetByRangeRequest, cursor string, continues bool) *wirepb.GetByRangeResponse {
	fail := func(f *failure) *wirepb.GetByRangeResponse {
		return &wirepb.GetByRangeResponse{Type: f.kind, Detail: f.detail}
	}
	if f := checkPrefix(r.Prefix, r.Durability); f != nil {
		return fail(f)
	}
	sp := spanOf(r.Prefix, r.StartKey, r.StartInclusive, r.EndKey, r.EndInclusive)
	at := readAt(r)
	if cursor != "" {
		last, ms, ok := parseCursor(cursor)
		if !ok || !strings.HasPrefix(last, r.Prefix) {
			return fail(invalid("the cursor is none of this range"))
		}
		sp = spanOf(r.Prefix, &last, false, r.EndKey, r.EndInclusive)
		at = timestamp{physical: ms}
	}
	read := func(ctx context.Context, t target, at timestamp) (*wirepb.GetByRangeResponse, error) {
		p, err := readPage(sp.read(ctx, t, &kahuna.RangeOptions{AsOf: asOf(at, t.inside)}), int(r.Limit))
		if err != nil {
			return nil, err
		}
		if p.full && !continues {
			return fail(errored(fmt.Sprintf("too much for one answer, which has at most %d bytes; read it with GetByRangeStream, or with a smaller limit", ReplyBytes))), nil
		}
		a := &wirepb.GetByRangeResponse{Type: typeGet, Items: p.items, HasMore: p.more}
		if p.more {
			next := makeCursor(p.items[len(p.items)-1].Key, at.physical)
			a.NextCursor = &next
		}
		return a, nil
	}
	name := nameOf(r)
	if name.plain() {
		var a *wirepb.GetByRangeResponse
		at, err := s.moment(ctx, at)
		if err == nil {
			a, err = read(ctx, s.plain(r.Durability), at)
		}
		if err != nil {
			return fail(failed(err))
		}
		return a
	}
	return operate(s, name, opRange, r, fail, func(x *session) *wirepb.GetByRangeResponse {
		a, err := read(s.working, inside(x.tx, r.Durability), x.at(at))
		if err != nil {
			return fail(x.failed(err))
		}
		return a
	})
}

// moment returns at, or for none the time of the store, so that later pages can
// be read as of it.
func (s *Service) moment(ctx context.Context, at timestamp) (timestamp, error) {
	if !at.none() {
		return at, nil
	}
	res, err := s.db.Run(ctx, "return hlc()", nil, nil)
	if err != nil {
		return at, err
	}
	at.physical, err = res.Int()
	return at, err
}

// readPage reads up to limit rows, and no more bytes than fit an answer; a limit
// of 0 or less is none.
func readPage(rows rowSeq, limit int) (p page, err error) {
	p.items = []*wirepb.KeyValueByPrefixItemResponse{}
	bytes := 0
	for e, err := range rows {
		if err != nil {
			return p, err
		}
		if reserved(e.Key) {
			continue
		}
		bytes += len(e.Key) + len(e.Value) + rowOverhead
		p.full = bytes > rowsBytes
		if p.full && len(p.items) > 0 || limit > 0 && len(p.items) == limit {
			p.more = true
			break
		}
		p.items = append(p.items, row(&e))
	}
	if !p.more {
		p.full = bytes > rowsBytes // one row that is too large by itself
	}
	return p, nil
}

// Stream reads a range to its end and gives its pages to send, which are all of
// one moment. The error is that of send, or why it could not be read.
func (s *Service) Stream(ctx context.Context, r *wirepb.GetByRangeRequest, send func(*wirepb.GetByRangePageResponse) error) error {
	if r.Prefix == "" {
		return nil // no page at all
	}
	if f := checkPrefix(r.Prefix, r.Durability); f != nil {
		return &StreamError{f.kind, f.detail}
	}
	if !idOf(r).none() {
		f := invalid("a stream of a range cannot be part of a transaction")
		return &StreamError{f.kind, f.detail}
	}
	sp := spanOf(r.Prefix, r.StartKey, r.StartInclusive, r.EndKey, r.EndInclusive)
	at, err := s.moment(ctx, readAt(r))
	if err != nil {
		f := failed(err)
		return &StreamError{f.kind, f.detail}
	}
	limit := int(r.Limit)
	if limit <= 0 {
		limit = pageDefault
	}
	for {
		p, err := readPage(sp.read(ctx, s.plain(r.Durability), &kahuna.RangeOptions{AsOf: asOf(at, false)}), limit)
		if err != nil {
			f := failed(err)
			return &StreamError{f.kind, f.detail}
		}
		a := &wirepb.GetByRangePageResponse{Type: typeGet, Items: p.items, HasMore: p.more}
		if p.more {
			last := p.items[len(p.items)-1].Key
			next := makeCursor(last, at.physical)
			a.NextCursor = &next
			sp.start = last + "\x00"
		}
		if err := send(a); err != nil || !p.more {
			return err
		}
	}
}

// pageDefault is how many rows a page of a stream has that names no limit.
const pageDefault = 1000

// StreamError is why a stream could not go on.
type StreamError struct {
	Kind   wirepb.KvType
	Detail *wirepb.Detail
}

func (e *StreamError) Error() string { return text(e.Detail) }

// makeCursor returns what continues a range after a key, as of ms.
func makeCursor(last string, ms int64) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64([]byte{1}, uint64(ms)), last...))
}

func parseCursor(text string) (last string, ms int64, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) < 10 || data[0] != 1 {
		return "", 0, false
	}
	ms = int64(binary.BigEndian.Uint64(data[1:]))
	return string(data[9:]), ms, ms >= 0
}
