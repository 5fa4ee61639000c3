package partition

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
	"kahuna/script"
)

// Request identifies a request that is to take effect once.
type Request struct {
	Key         string   // the idempotency key
	Fingerprint [32]byte // of the script and its parameters
}

// pendingResult is a stored result that the store does not show yet.
type pendingResult struct {
	seq     uint64
	request [32]byte
	data    []byte // encoded: the result itself is the caller's
	bytes   int64
}

// keepResult remembers a result until the store shows it.
func (p *Partition) keepResult(stored *kv.StoredResult, seq uint64) {
	r := &pendingResult{seq: seq, request: stored.Request, data: stored.Result, bytes: store.ResultBytes(stored.Key, len(stored.Result))}
	p.results[stored.Key] = r
	p.resultBytes += r.bytes
}

// dropResult forgets what keepResult remembered.
func (p *Partition) dropResult(key string) {
	if r := p.results[key]; r != nil {
		p.resultBytes -= r.bytes
		delete(p.results, key)
	}
}

// storedResultMax bounds what is remembered of one request, in bytes.
const storedResultMax = 4 << 20

// remembered returns the first result of req when it is known, or *Busy while
// its script runs. It fails with "outcome unknown" when it can not tell whether
// req was applied. Held: the mutex.
func (p *Partition) remembered(req *Request) (*script.Result, Done, error) {
	if p.faulty(FaultForgetful) {
		return nil, Done{}, nil
	}
	if r := p.results[req.Key]; r != nil {
		if r.request != req.Fingerprint {
			return nil, Done{}, errForeignRequest(req.Key)
		}
		res, err := decodeResult(r.data)
		if err != nil {
			return nil, Done{}, errUnreadable(err)
		}
		p.line.Lock()
		defer p.line.Unlock()
		return res, Done{Batch: p.batchOf(r.seq), Wrote: true, Logged: true, Propose: p.inflight == nil}, nil
	}
	if running := p.running[req.Key]; running != nil {
		return nil, Done{}, &Busy{running}
	}
	if err := p.unsure[req.Key]; err != nil {
		return nil, Done{}, refusal(err)
	}
	stored, ok, err := p.store.Result(req.Key)
	if err != nil {
		return nil, Done{}, errUnreadable(err)
	}
	if !ok {
		return nil, Done{}, nil
	}
	if stored.Request != req.Fingerprint {
		return nil, Done{}, errForeignRequest(req.Key)
	}
	res, err := decodeResult(stored.Result)
	if err != nil {
		return nil, Done{}, errUnreadable(err)
	}
	return res, Done{}, nil
}

// begin is remembered for a request that is to run when it has no result: it
// is refused when too much is remembered already. What runs then may exceed the
// bound by its results.
func (p *Partition) begin(req *Request) (*script.Result, Done, error) {
	res, done, err := p.remembered(req)
	if res != nil || err != nil {
		return res, done, err
	}
	if count, bytes := p.store.Results(); bytes+p.resultBytes >= p.opts.ResultBytes {
		return nil, Done{}, &script.Error{Code: script.CodeAdmission,
			Message: fmt.Sprintf("too many idempotency keys: the results of %d take %d bytes, and all are younger than they must be remembered for", count, bytes),
			Hint:    "send it again in some minutes, or raise Options.IdempotencyBytes"}
	}
	return nil, Done{}, nil
}

// errUnreadable says that whether a request was applied before can not be read
// (Invariant OUT-1).
func errUnreadable(err error) error {
	if newer := (*resultVersionError)(nil); errors.As(err, &newer) {
		return &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Err: err, Message: err.Error(),
			Hint: "the request was applied; to get its result open the store with that program, and send it again with the same key"}
	}
	return &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Err: err,
		Message: fmt.Sprintf("whether the request was applied before can not be read: %v", err),
		Hint:    "send it again, with the same key"}
}

// Remembered returns the first result of req when there is one, nothing when
// req was not applied. Errors are those of another request's key, *Busy while
// its script runs, and "outcome unknown".
func (p *Partition) Remembered(req *Request) (*script.Result, Done, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remembered(req)
}

// Reserve keeps others from running req until Unreserve, for a run on the
// slow path. When the first result is known it is returned instead; *Busy
// when somebody else runs it.
func (p *Partition) Reserve(req *Request) (*script.Result, Done, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.admits(nil, req); err != nil {
		return nil, Done{}, err
	}
	res, done, err := p.begin(req)
	if res == nil && err == nil {
		p.running[req.Key] = make(chan struct{})
	}
	return res, done, err
}

// Unreserve ends Reserve.
func (p *Partition) Unreserve(req *Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.running[req.Key]; c != nil {
		close(c)
		delete(p.running, req.Key)
	}
}

func (r *Request) stored(res *script.Result, commit hlc.Timestamp) (kv.StoredResult, error) {
	data := encodeResult(res)
	if len(data) > storedResultMax {
		return kv.StoredResult{}, &script.Error{Code: script.CodeLimit,
			Message: fmt.Sprintf("the result has %d bytes, more than the %d that can be remembered for an idempotency key", len(data), storedResultMax),
			Hint:    "return less, or send the script without a key"}
	}
	return kv.StoredResult{Key: r.Key, Request: r.Fingerprint, Time: commit, Result: data}, nil
}

// resultVersion 2 tells kinds and lists, which version 1 did not have.
const resultVersion = 2

// encodeResult writes the parts of a result that a repeated request gets.
func encodeResult(res *script.Result) []byte {
	b := []byte{resultVersion, byte(res.Type), 0}
	if res.List {
		b[2] = 1
	}
	b = appendText(b, res.Op.String())
	b = binary.AppendUvarint(b, uint64(len(res.Entries)))
	for i := range res.Entries {
		e := &res.Entries[i]
		b = appendText(b, e.Key)
		if e.HasValue {
			b = appendText(append(b, 1+byte(e.Kind)), e.Value)
		} else {
			b = append(b, 0)
		}
		b = binary.AppendVarint(b, e.Revision)
		b = binary.AppendVarint(b, e.Expires)
		b = binary.AppendUvarint(b, uint64(e.Modified))
	}
	b = binary.AppendUvarint(b, uint64(len(res.Warnings)))
	for _, w := range res.Warnings {
		b = binary.AppendVarint(b, int64(w.Line))
		b = binary.AppendVarint(b, int64(w.Column))
		b = appendText(b, w.Text)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errResult = errors.New("a remembered result is damaged")

// resultVersionError says that a result has a format that this program does not
// know.
type resultVersionError struct{ found byte }

func (e *resultVersionError) Error() string {
	return fmt.Sprintf("the result remembered for the request was written by another version of the program: it has format version %d, this program knows %d", e.found, resultVersion)
}

func decodeResult(data []byte) (*script.Result, error) {
	switch {
	case len(data) > 0 && data[0] != resultVersion && data[0] != 0:
		return nil, &resultVersionError{data[0]}
	case len(data) < 2 || data[0] != resultVersion:
		return nil, errResult
	}
	r := resultReader{data: data[2:]}
	res := &script.Result{Type: script.Type(data[1]), Outcome: script.Applied}
	res.List = r.byte() == 1
	res.Op, _ = script.ParseOp(r.text()) // one that a later version made is none
	for n := r.uint(); n > 0 && !r.bad; n-- {
		e := script.Entry{Key: r.text()}
		if kind := r.byte(); kind > 0 {
			e.HasValue, e.Kind, e.Value = true, script.Kind(kind-1), r.text()
		}
		e.Revision, e.Expires, e.Modified = r.int(), r.int(), hlc.Timestamp(r.uint())
		res.Entries = append(res.Entries, e)
	}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		res.Warnings = append(res.Warnings, script.Warning{Line: int(r.int()), Column: int(r.int()), Text: r.text()})
	}
	if r.bad || len(r.data) > 0 {
		return nil, errResult
	}
	return res, nil
}

// resultReader reads what encodeResult wrote; bad is set at the first error.
type resultReader struct {
	data []byte
	bad  bool
}

func (r *resultReader) advance(n int) {
	if n <= 0 {
		r.bad, r.data = true, nil
		return
	}
	r.data = r.data[n:]
}

func (r *resultReader) uint() uint64 {
	x, n := binary.Uvarint(r.data)
	r.advance(n)
	return x
}

func (r *resultReader) int() int64 {
	x, n := binary.Varint(r.data)
	r.advance(n)
	return x
}

func (r *resultReader) byte() byte {
	if len(r.data) == 0 {
		r.bad = true
		return 0
	}
	c := r.data[0]
	r.data = r.data[1:]
	return c
}

func (r *resultReader) text() string {
	n := r.uint()
	if r.bad || n > uint64(len(r.data)) {
		r.bad = true
		return ""
	}
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}
