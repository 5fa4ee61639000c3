package examples_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kahuna/examples"
	"kahuna/internal/model"
	"kahuna/spec"
)

// limiter is a rate limiter in plain Go: call returns 0 when a call at that
// time is allowed, which it counts, and else how long to wait.
type limiter interface {
	call(nowMs int64) int64
}

// fixedWindow counts the calls of a window that begins with the first one.
type fixedWindow struct {
	limit, window int64
	begin, used   int64
}

func (l *fixedWindow) call(now int64) int64 {
	if l.used == 0 || now >= l.begin+l.window {
		l.begin, l.used = now, 0
	}
	if l.used == l.limit {
		return l.begin + l.window - now
	}
	l.used++
	return 0
}

// slidingWindow remembers all calls that it has ever allowed, and looks for the
// first millisecond in whose window there is room.
type slidingWindow struct {
	limit, window int64
	allowed       []int64
}

func (l *slidingWindow) call(now int64) int64 {
	for wait := int64(0); ; wait++ {
		var n int64
		for _, at := range slices.Backward(l.allowed) {
			if at <= now+wait-l.window {
				break
			}
			n++
		}
		if n < l.limit {
			if wait == 0 {
				l.allowed = append(l.allowed, now)
			}
			return wait
		}
	}
}

// tokenBucket goes through time millisecond by millisecond.
type tokenBucket struct {
	capacity, refill, cost int64
	tokens, part           int64 // part is the age of the token that forms
	last                   int64
}

func (l *tokenBucket) tick() {
	if l.tokens == l.capacity {
		return
	}
	if l.part++; l.part == l.refill {
		l.tokens, l.part = l.tokens+1, 0
	}
}

func (l *tokenBucket) call(now int64) int64 {
	if l.last == 0 {
		l.tokens, l.last = l.capacity, now
	}
	for ; l.last < now; l.last++ {
		l.tick()
	}
	if l.tokens >= l.cost {
		l.tokens -= l.cost
		return 0
	}
	later := *l
	for later.tokens < l.cost {
		later.tick()
		later.last++
	}
	return later.last - now
}

// leakyMeter is the other form of GCRA in ITU-T I.371, the continuous-state
// leaky bucket: each allowed call adds an interval to a level that falls by one
// in a millisecond, and a call is allowed when the level is not above the
// tolerance.
type leakyMeter struct {
	interval, burst int64
	level, last     int64
}

func (l *leakyMeter) call(now int64) int64 {
	level := max(0, l.level-(now-l.last))
	if tolerance := (l.burst - 1) * l.interval; level > tolerance {
		return level - tolerance
	}
	l.level, l.last = level+l.interval, now
	return 0
}

// TestRateLimiters compares each limiter with one in plain Go, over calls that
// come close together, after pauses, and exactly when the last answer said.
func TestRateLimiters(t *testing.T) {
	for _, c := range []struct {
		file   string
		params string // with %d for two numbers
		plain  func(a, b int64) limiter
	}{
		{"rate-fixed-window.kh", "limit=%d window_ms=%d", func(a, b int64) limiter { return &fixedWindow{limit: a, window: b} }},
		{"rate-sliding-window.kh", "limit=%d window_ms=%d", func(a, b int64) limiter { return &slidingWindow{limit: a, window: b} }},
		{"rate-token-bucket.kh", "capacity=%d refill_ms=%d", func(a, b int64) limiter { return &tokenBucket{capacity: a, refill: b, cost: 1} }},
		{"rate-token-bucket.kh", "capacity=%d refill_ms=%d cost=2", func(a, b int64) limiter { return &tokenBucket{capacity: a, refill: b, cost: 2} }},
		{"rate-gcra.kh", "burst=%d interval_ms=%d", func(a, b int64) limiter { return &leakyMeter{burst: a, interval: b} }},
	} {
		t.Run(fmt.Sprintf(c.file+" "+c.params, 0, 0), func(t *testing.T) {
			source, err := fs.ReadFile(examples.FS(), c.file)
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(20) {
				r := rand.New(rand.NewPCG(seed, 10))
				a, b := 2+r.Int64N(6), 5+r.Int64N(200)
				series(t, r, string(source), params(t, fmt.Sprintf(c.params, a, b)), b, c.plain(a, b))
			}
		})
	}
}

// series makes 300 calls. unit is about the time between two of them.
func series(t *testing.T, r *rand.Rand, source string, params map[string]any, unit int64, plain limiter) {
	t.Helper()
	runner := model.NewRunner()
	ctx := context.Background()
	params["key"] = "rate/ann"
	allowed, refused := 0, 0
	var wait int64
	for call := range 300 {
		pause := r.Int64N(unit/4 + 1)
		switch {
		case wait > 0 && r.IntN(2) == 0:
			pause = wait - 1 - r.Int64N(2) // the runner adds a millisecond: just in time, or just before
		case r.IntN(10) == 0:
			pause = r.Int64N(10 * unit)
		}
		if err := runner.Wait(ctx, time.Duration(max(0, pause))*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		res := runner.Run(ctx, spec.Request{Source: source, Params: params})
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		wait = plain.call(runner.Now())
		if got := res.Result.Entries[0].Value; got != fmt.Sprint(wait) {
			t.Fatalf("%v: call %d answers %s, in plain Go %d", params, call, got, wait)
		}
		if wait == 0 {
			allowed++
		} else {
			refused++
		}
	}
	if allowed < 10 || refused < 10 {
		t.Errorf("%v: %d calls allowed, %d refused: too few to say anything", params, allowed, refused)
	}
}
