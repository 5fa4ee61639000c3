package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// Everything compared is a side: a loop that runs for a moment when it is told
// to. Each has a process of its own, so that it has its own memory to collect,
// and is stopped as a whole while another one has its turn: work that one
// leaves for later, it does in its own time.

// sideSpec says what a side is.
type sideSpec struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // see newLoop
	Dir       string `json:"dir"`
	Callers   int    `json:"callers"`
	Keys      int    `json:"keys"`
	ValueSize int    `json:"valueSize"`
	Workload  string `json:"workload"`
	// Fill has a store filled when it begins.
	Fill bool `json:"fill"`
	// RowCacheBytes of a store; 0 is its default.
	RowCacheBytes int64 `json:"rowCacheBytes"`
	// Processors is GOMAXPROCS; 0 is one for each core.
	Processors int `json:"processors"`
}

// order is what the parent asks for.
type order struct {
	Turn time.Duration `json:"turn"`
	// Workload and Callers replace those of the spec.
	Workload string `json:"workload,omitempty"`
	Callers  int    `json:"callers,omitempty"`
}

// sample is what one turn gave.
type sample struct {
	Ops     int64   `json:"ops"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50Us,omitempty"`
	P99     float64 `json:"p99Us,omitempty"`
	// CPU is the processor time of the whole process: what the operations took
	// even when others have the machine.
	CPU    float64 `json:"cpuSeconds"`
	Batch  float64 `json:"scriptsPerBatch,omitempty"`
	Allocs float64 `json:"allocs"` // an operation
	RSS    int64   `json:"rssBytes,omitempty"`
	// Of a store, when it begins.
	OpenSeconds float64 `json:"openSeconds,omitempty"`
	FillSeconds float64 `json:"fillSeconds,omitempty"`
	Rows        int64   `json:"rows,omitempty"`

	Error string `json:"error,omitempty"`
}

func (s sample) perSecond() float64 { return float64(s.Ops) / s.Seconds }

// processor returns the processor time of one operation in microseconds.
func (s sample) processor() float64 { return s.CPU / float64(s.Ops) * 1e6 }

// perCore returns operations in a second of one core: on a machine with
// nothing else to do perSecond, when there is one core to use.
func (s sample) perCore() float64 {
	if s.CPU == 0 { // not known here
		return s.perSecond()
	}
	return float64(s.Ops) / s.CPU
}

// loop is the running part of a side.
type loop interface {
	// turn measures for about d.
	turn(ctx context.Context, o order) (sample, error)
	close() error
}

// newLoop makes what s describes, and says how that went.
func newLoop(ctx context.Context, s *sideSpec) (loop, sample, error) {
	switch s.Kind {
	case "fdatasync":
		l, err := newSyncLoop(s.Dir)
		return l, sample{}, err
	case "pebble":
		l, err := newPebbleLoop(s.Dir, s.Callers, s.Keys)
		return l, sample{}, err
	case "store":
		return newStoreLoop(ctx, s)
	case "processor":
		l, err := newProcessorLoop(ctx, s.Workload)
		return l, sample{}, err
	}
	return nil, sample{}, fmt.Errorf("there is no kind of side %q", s.Kind)
}

// serveSide is the process of a side: it makes the loop, answers one line,
// then one for every order, until there are no more.
func serveSide(ctx context.Context, spec string, in io.Reader, out io.Writer) (err error) {
	signal.Ignore(os.Interrupt) // the parent's business
	var s sideSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return err
	}
	answer := json.NewEncoder(out)
	l, ready, err := newLoop(ctx, &s)
	if err != nil {
		return errors.Join(err, answer.Encode(sample{Error: err.Error()}))
	}
	defer func() { err = errors.Join(err, l.close()) }()
	ready.RSS = residentBytes()
	if err := answer.Encode(ready); err != nil {
		return err
	}
	for orders := json.NewDecoder(in); ; {
		var o order
		if err := orders.Decode(&o); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		before := processorTime()
		got, err := l.turn(ctx, o)
		if err != nil {
			return errors.Join(err, answer.Encode(sample{Error: err.Error()}))
		}
		got.CPU, got.RSS = (processorTime() - before).Seconds(), residentBytes()
		if err := answer.Encode(got); err != nil {
			return err
		}
	}
}

// turn runs callers in a closed loop; any failure fails the turn.
func turn(ctx context.Context, callers []*caller, d time.Duration, call func(c *caller, n int64) error) (sample, error) {
	for _, c := range callers {
		c.reset()
	}
	took := closedLoop(ctx, callers, d, call)
	all := total(callers)
	if all.first != nil {
		return sample{}, all.first
	}
	return sample{Ops: all.hist.TotalCount(), Seconds: took.Seconds(), P50: float64(all.hist.ValueAtQuantile(50)) / 1000,
		P99: float64(all.hist.ValueAtQuantile(99)) / 1000}, ctx.Err()
}
