package wire

import (
	"crypto/sha256"
	"time"

	"google.golang.org/protobuf/proto"

	"kahuna/internal/wirepb"
)

// opMessage is a request that can be an operation of a transaction.
type opMessage interface{ proto.Message }

// answerMessage is an answer with a type.
type answerMessage interface {
	proto.Message
	GetType() wirepb.KvType
}

// operation is one operation of a transaction, under way or answered.
type operation struct {
	print [sha256.Size]byte // of its kind and content
	done  chan struct{}     // closed when it is answered
	// Set before done is closed: whether it is remembered, and the answer, which a
	// read does not keep.
	kept   bool
	answer proto.Message
}

// repeats reports whether an operation is executed anew when it comes again:
// reads are. What is validated at commit stays what was read first.
func repeats(kind byte) bool {
	switch kind {
	case opGet, opExists, opBucket, opRange:
		return true
	}
	return false
}

// operate does an operation of a transaction. The answer of run is remembered,
// and given to who sends the operation again.
//
// Invariant WIRE-1: it takes effect at most once under its id, and an answer of
// MustRetry is not remembered: who gets it sends it again with the same id.
func operate[A answerMessage](s *Service, name txName, kind byte, r opMessage, fail func(*failure) A, run func(*session) A) A {
	if words := name.words(); words != "" {
		return fail(invalid(words))
	}
	x := s.sessions.find(name.id, name.coordinator)
	if x == nil {
		return fail(aborted("there is no such transaction, or it ended long ago"))
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		return fail(invalid("the request has a text that is not UTF-8"))
	}
	op, first, f := x.begin(name.op, sha256.Sum256(append(content, kind)))
	if f != nil {
		return fail(f)
	}
	if !first {
		return again(x, op, kind, fail, run)
	}
	answered := false
	defer func() {
		if !answered { // a panic, which goes on
			x.answered(name.op, op, true, fail(fault("the server failed in the middle of the operation")))
		}
	}()
	a := run(x)
	answered = true
	var kept proto.Message
	if !repeats(kind) {
		kept = a
	}
	x.answered(name.op, op, a.GetType() != typeMustRetry, kept)
	return a
}

// begin notes that an operation has come. first says that it is to be done.
func (x *session) begin(id opID, print [sha256.Size]byte) (op *operation, first bool, f *failure) {
	x.mu.Lock()
	if x.ended != open {
		defer x.mu.Unlock()
		return nil, false, aborted("the transaction has ended: " + x.words())
	}
	if x.committing {
		defer x.mu.Unlock()
		return nil, false, aborted("the transaction is being committed")
	}
	if op := x.operations[id]; op != nil {
		defer x.mu.Unlock()
		if op.print != print {
			return nil, false, errored("the operation id belongs to another operation of the transaction")
		}
		return op, false, nil
	}
	if len(x.operations) >= x.s.opts.Operations {
		x.mu.Unlock()
		const words = "the transaction has too many operations"
		x.end(abortedEnding, words)
		return nil, false, aborted(words)
	}
	defer x.mu.Unlock()
	if x.running >= operationsAtOnce {
		return nil, false, mustRetry("too many operations of the transaction are under way")
	}
	op = &operation{print: print, done: make(chan struct{})}
	x.operations[id] = op
	x.running++
	return op, true, nil
}

// words says how the transaction ended. Held: mu.
func (x *session) words() string {
	if x.why != "" {
		return x.why
	}
	return x.ended.String()
}

// answered notes the answer of an operation, unless it is not to be kept.
func (x *session) answered(id opID, op *operation, keep bool, answer proto.Message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running--
	op.kept, op.answer = keep, answer
	if !keep {
		delete(x.operations, id)
	}
	close(op.done)
}

// again answers an operation that was sent before.
func again[A answerMessage](x *session, op *operation, kind byte, fail func(*failure) A, run func(*session) A) A {
	timer := time.NewTimer(x.s.opts.Patience)
	defer timer.Stop()
	select {
	case <-op.done:
	case <-timer.C:
		return fail(mustRetry("the operation is under way"))
	case <-x.s.working.Done():
		return fail(mustRetry("the server is ending"))
	}
	if !op.kept {
		return fail(mustRetry("the operation was refused a moment ago"))
	}
	if repeats(kind) {
		return run(x)
	}
	a, _ := op.answer.(A)
	return a
}
