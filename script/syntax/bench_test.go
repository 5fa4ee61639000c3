package syntax

import (
	"strings"
	"testing"
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

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(leakyBucket)))
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := Parse(leakyBucket, Limits{}); s == nil {
			b.Fatal("does not parse")
		}
	}
}

func BenchmarkParseSmall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := Parse("set @key @value", Limits{}); s == nil {
			b.Fatal("does not parse")
		}
	}
}

func BenchmarkParseLargest(b *testing.B) {
	src := strings.Repeat("set k 'a value of some length' ex 30s\n", defaultSourceBytes/38)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := Parse(src, Limits{}); s == nil {
			b.Fatal("does not parse")
		}
	}
}

func BenchmarkScan(b *testing.B) {
	b.SetBytes(int64(len(leakyBucket)))
	b.ReportAllocs()
	for b.Loop() {
		sc := newScanner(leakyBucket, &errorList{})
		for sc.next().kind != tEOF {
		}
	}
}

func BenchmarkFormat(b *testing.B) {
	b.SetBytes(int64(len(leakyBucket)))
	b.ReportAllocs()
	for b.Loop() {
		Format(leakyBucket)
	}
}
