package script_test

import (
	"testing"

	"kahuna/script"
)

// leakyBucket is the rate limiter of examples/leaky-bucket.kh, written shorter.
const leakyBucket = `let interval = to_int(@refill_interval_param)
let capacity = to_int(@capacity)
let now = current_time()

let stored = get @rate_limit_param
let since = get @last_refill_param

if is_null(stored) || is_null(since) then
  set @rate_limit_param capacity - 1
  set @last_refill_param now
  return 1
end

let refill = max(0, (now - to_int(since)) / interval)
let tokens = min(to_int(stored) + refill, capacity)

if tokens <= 0 then
  return 0
end

set @rate_limit_param tokens - 1
set @last_refill_param to_int(since) + refill * interval
return 1
`

// oneRow is a transaction with next to no cost of its own.
type oneRow struct {
	script.Tx
	row script.Row
}

func (o *oneRow) Time() script.Timestamp { return clock(nowMs) }
func (o *oneRow) Now() int64             { return nowMs }

func (o *oneRow) Get(script.Space, string) (script.Row, error) { return o.row, nil }

func (o *oneRow) Set(_ script.Space, _, _ string, _ *script.SetOptions) (script.WriteResult, error) {
	return script.WriteResult{Done: true, Revision: 1}, nil
}

func benchmark(b *testing.B, source string, params map[string]any, value string) {
	p := mustCompile(b, source)
	tx := &oneRow{row: script.Row{Value: value, Revision: 3, Found: true}}
	in := new(script.Interrupt)
	b.ReportAllocs()
	for b.Loop() {
		c, err := p.Bind(params)
		if err != nil {
			b.Fatal(err)
		}
		if fp := c.Footprint(); !fp.Complete {
			b.Fatal("the footprint is not complete")
		}
		if _, err := c.Run(tx, in, 10_000); err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}

func BenchmarkReturn1(b *testing.B) { benchmark(b, "return 1", nil, "") }

func BenchmarkCompareAndSet(b *testing.B) {
	benchmark(b, "let n = eget @k if n < 1000000 then eset @k n + 1 end", map[string]any{"k": "counter"}, "123456")
}

func BenchmarkLeakyBucket(b *testing.B) {
	benchmark(b, leakyBucket, map[string]any{
		"rate_limit_param": "rl/client-7/tokens", "last_refill_param": "rl/client-7/refill",
		"refill_interval_param": "1000", "capacity": "10",
	}, "997500")
}

func BenchmarkLoop(b *testing.B) {
	benchmark(b, "let t = 0 for i in 1..1000 do let t = t + i * 2 end return t", nil, "")
}

func BenchmarkCompileLeakyBucket(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := script.Compile(leakyBucket, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestHotPathAllocations(t *testing.T) {
	p := mustCompile(t, "let n = eget @k if n < 1000000 then eset @k n + 1 end")
	tx := &oneRow{row: script.Row{Value: "123456", Revision: 3, Found: true}}
	in := new(script.Interrupt)
	params := map[string]any{"k": "counter"}
	got := testing.AllocsPerRun(1000, func() {
		c, err := p.Bind(params)
		if err != nil {
			t.Fatal(err)
		}
		c.Footprint()
		if _, err := c.Run(tx, in, 10_000); err != nil {
			t.Fatal(err)
		}
		c.Release()
	})
	// The result and the text of the new value. The race detector makes
	// pools forget at random.
	if got > 2 && !raceEnabled {
		t.Errorf("%v allocations, want at most 2", got)
	}
}
