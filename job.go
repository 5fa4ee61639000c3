package kahuna

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"kahuna/internal/partition"
	"kahuna/internal/txn"
	"kahuna/script"
)

// job is the reusable part of one run. Its Call, and Work, Interrupt and
// Footprint of its job, are made once.
type job struct {
	job    txn.Job
	script txn.Script

	// Of a job that was started (Async).
	answer  txn.Answer
	db      *DB
	program *script.Program
	started time.Duration
	done    func(*Result, error)
}

var jobs = sync.Pool{New: func() any {
	j := new(job)
	j.script.Call = script.NewCall()
	j.job.Work, j.job.Interrupt = &j.script, &j.script.Interrupt
	j.job.Footprint = func() partition.LockSet { return txn.LockSet(j.script.Call.Footprint()) }
	return j
}}

func newJob() *job { return jobs.Get().(*job) }

func (j *job) free() {
	j.job.Request = nil
	if j.done != nil {
		j.db, j.program, j.done = nil, nil, nil
	}
	j.script.Call.Reset()
	j.script.Interrupt.Reset()
	j.script.Result.Reset()
	jobs.Put(j)
}

// callJob is the reusable part of a point call.
type callJob struct {
	job    txn.Job
	call   call
	result script.Result

	// Of a call that was started (Async): answer is answered, made once, and read
	// or wrote is who gets it.
	answer txn.Answer
	read   func(Entry, bool, error)
	wrote  func(WriteResult, error)
}

var callJobs = sync.Pool{New: func() any {
	j := new(callJob)
	j.job.Work = &j.call
	j.call.result = &j.result
	j.job.Footprint = j.call.lockSet
	return j
}}

// callJob returns a job that makes a call of a kind on key.
func (db *DB) callJob(kind callKind, space script.Space, key string) *callJob {
	j := callJobs.Get().(*callJob)
	j.call.kind, j.call.space, j.call.key = kind, space, key
	j.result.Time = 0
	db.bound(&j.job)
	return j
}

func (j *callJob) free() {
	j.call.reset()
	if j.read != nil || j.wrote != nil {
		j.read, j.wrote = nil, nil
	}
	callJobs.Put(j)
}

const idempotencyKeyMax = 1024

// request makes the identity of a script sent with an idempotency key.
func request(key string, p *script.Program, params Params) (*partition.Request, error) {
	if len(key) > idempotencyKeyMax {
		return nil, badRequest("run", "", fmt.Sprintf("an idempotency key has 1 to %d bytes, got %d", idempotencyKeyMax, len(key)), "")
	}
	h := sha256.New()
	source := p.Hash()
	h.Write(source[:])
	for _, name := range slices.Sorted(slices.Values(p.Parameters())) {
		value, ok := params[name]
		if !ok {
			value = params["@"+name]
		}
		v, err := script.ValueOf(value)
		if err != nil {
			return nil, err // Bind has accepted it: cannot be
		}
		hashText(h, name)
		hashValue(h, v)
	}
	r := &partition.Request{Key: key}
	h.Sum(r.Fingerprint[:0])
	return r, nil
}

func hashText(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	_, _ = h.Write(n[:])
	_, _ = io.WriteString(h, s)
}

// hashValue adds v to h so that different values differ.
func hashValue(h hash.Hash, v script.Value) {
	hashText(h, v.Kind().String())
	switch v.Kind() {
	case script.KindString:
		hashText(h, v.Str())
	case script.KindArray, script.KindMap:
		elems := v.Elems()
		hashText(h, strconv.Itoa(len(elems)))
		for _, name := range v.Names() {
			hashText(h, name)
		}
		for _, e := range elems {
			hashValue(h, e)
		}
	default:
		text, _ := script.JSON(v)
		hashText(h, text)
	}
}
