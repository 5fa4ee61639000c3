package kahuna

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The soak loads a small store with everything that leaves something behind:
// values that are overwritten, rows that expire, rows that are deleted, huge
// values. What the store keeps of it, on disk and in memory, must reach a
// plateau.
//
// Nothing in it depends on how fast the machine is. Work is counted in scripts,
// the store's clock moves by a millisecond with each, so retention is a number
// of scripts, and each sample is taken when the sweeper has caught up. A run is
// judged by the highest sample of its middle third and that of its last third.
var (
	flagSoakRounds  = flag.Int("soak.rounds", 24, "rounds of the soak")
	flagSoakScripts = flag.Int("soak.scripts", 200, "scripts in each round of the soak")
	flagSoakHuge    = flag.Int("soak.huge", 96<<10, "bytes of a huge value of the soak")
	flagSoakDir     = flag.String("soak.dir", "", "an empty directory for the soak; none: one that is removed")
)

// verdict is what a run shows.
type verdict string

const (
	steady  verdict = "steady"
	growing verdict = "growing"
	unknown verdict = "unknown" // it did too little to tell
)

// plateau judges a series of samples, one for each round. Growth within slack,
// or by less than a fifth, is noise; the two highest samples of each third,
// compactions say, do not count. So that some in the middle do not hide what
// grows all the time, medians are compared too: of steady growth they show two
// thirds.
func plateau(samples []float64, slack float64) verdict {
	third := len(samples) / 3
	if third < 4 {
		return unknown
	}
	middle := high(samples[third : 2*third])
	last := high(samples[2*third:])
	if last > 1.2*middle+slack || median(samples[2*third:]) > 1.25*median(samples[third:2*third])+slack {
		return growing
	}
	return steady
}

// high returns the third highest sample: two may stand out anywhere.
func high(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)-3]
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

func TestPlateau(t *testing.T) {
	series := func(n int, f func(i int) float64) (s []float64) {
		for i := range n {
			s = append(s, f(i))
		}
		return s
	}
	for _, test := range []struct {
		name    string
		samples []float64
		want    verdict
	}{
		{"constant", series(24, func(int) float64 { return 100 }), steady},
		{"filling up, then constant", series(24, func(i int) float64 { return float64(min(i, 7)) * 100 }), steady},
		{"noise", series(24, func(i int) float64 { return 100 + float64(i*7919%60) }), steady},
		{"a leak", series(24, func(i int) float64 { return float64(i) }), growing},
		{"a leak beside as much that stays", series(24, func(i int) float64 { return 20 + float64(i) }), growing},
		{"a leak with noise", series(24, func(i int) float64 { return float64(i) + float64(i*7919%5) }), growing},
		{"a leak with one high sample", series(24, func(i int) float64 { return float64(i) + 40*float64(i/12*(23-i)/11) }), growing},
		{"a jump at the end", series(24, func(i int) float64 { return 100 + 50*float64(i/21) }), growing},
		{"two high samples at the end", series(24, func(i int) float64 { return 100 + 50*float64(i/22) }), steady},
		{"too short", series(11, func(int) float64 { return 100 }), unknown},
	} {
		if got := plateau(test.samples, 0); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// soakMetric is one thing that must not grow.
type soakMetric struct {
	name    string
	slack   float64
	of      func(s *soak) float64
	samples []float64
}

type soak struct {
	db      *DB
	fs      vfs.FS
	dir     string
	now     atomic.Int64
	scripts atomic.Int64 // ended well
	random  string       // what values are cut from
	metrics []*soakMetric
	noSweep bool
}

const (
	soakKeys = 40 // that are overwritten
	// What is not flushed, and so still in the log, changes from sample to
	// sample by this much: four memtables, and segments begun.
	soakUnflushed = 4 << 20
)

// newSoak opens a store with small bounds, so that each is met soon.
func newSoak(t *testing.T, change func(*Options)) *soak {
	t.Helper()
	s := &soak{fs: vfs.Default, random: soakText(*flagSoakHuge + 4096)}
	if s.dir = t.TempDir(); *flagSoakDir != "" {
		s.dir = s.fs.PathJoin(*flagSoakDir, strings.ReplaceAll(t.Name(), "/", "-"))
	}
	s.now.Store(1_700_000_000_000)
	o := &Options{
		Limits:        Limits{Timeout: 2 * time.Minute},
		RowCacheBytes: 256 << 10, BlockCacheBytes: 1 << 20, EphemeralBytes: 256 << 10,
		HistoryRevisions: 8, HistoryAge: 100 * time.Millisecond,
		fs: s.fs, now: s.now.Load, sweep: time.Millisecond, segment: 64 << 10, MemTableBytes: 256 << 10,
	}
	change(o)
	s.noSweep = o.sweep > time.Minute
	var err error
	if s.db, err = open(s.dir, o); err != nil {
		t.Fatal(err)
	}
	stat := func(of func(*Stats) int64) func(*soak) float64 {
		return func(s *soak) float64 { st := s.db.Stats(); return float64(of(&st)) }
	}
	s.metrics = []*soakMetric{
		{name: "disk", slack: soakUnflushed, of: func(s *soak) float64 { return float64(diskBytes(s.fs, s.dir)) }},
		{name: "tables", slack: soakUnflushed, of: stat(func(s *Stats) int64 { return s.RowsBytes })},
		{name: "log", slack: soakUnflushed, of: stat(func(s *Stats) int64 { return s.LogBytes })},
		{name: "rows", slack: 100, of: stat(func(s *Stats) int64 { return s.Rows })},
		{name: "ephemeral rows", slack: 100, of: stat(func(s *Stats) int64 { return s.EphemeralRows })},
		{name: "heap", slack: 8 << 20, of: func(*soak) float64 {
			// What a sync.Pool holds is kept for one collection. Compactions
			// allocate meanwhile, so it is what the second has found alive.
			runtime.GC()
			runtime.GC()
			live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
			metrics.Read(live)
			return float64(live[0].Value.Uint64())
		}},
		{name: "goroutines", slack: 8, of: func(*soak) float64 { return float64(runtime.NumGoroutine()) }},
	}
	return s
}

// soakText returns text that does not compress.
func soakText(n int) string {
	rng := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = rng.Read(b)
	for i := range b {
		b[i] = 'A' + b[i]%64
	}
	return string(b)
}

// value returns the nth value of a size.
func (s *soak) value(n, size int) string { return s.random[n%4096:][:size] }

// diskBytes adds up the files below dir. One that is removed meanwhile counts
// nothing.
func diskBytes(fs vfs.FS, dir string) (n int64) {
	names, err := fs.List(dir)
	if err != nil {
		return 0
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			n += diskBytes(fs, path)
		default:
			n += info.Size()
		}
	}
	return n
}

// round runs scripts of all kinds, and takes the samples.
func (s *soak) round(t *testing.T, round int) {
	t.Helper()
	ctx := context.Background()
	together(8, func(g int) {
		for i := g; i < *flagSoakScripts && !t.Failed(); i += 8 {
			s.now.Add(1)
			n := round*(*flagSoakScripts) + i
			params := Params{"key": fmt.Sprint("over/", i%soakKeys), "new": fmt.Sprint("new/", n), "value": s.value(n, 1000), "n": n}
			var source string
			switch i / 8 % 5 {
			case 0: // a counter, and values that are overwritten
				source = "set counter to_int(get counter) + 1; set @key @value; eset @key @n"
			case 1: // rows that expire, in both spaces
				source = "set @new @value ex 50; eset @new @value ex 50"
			case 2: // rows that are deleted, in both spaces
				source = "set @new @value; eset @new 1; delete @new; edelete @new"
			case 3: // on the slow path, and void now and then
				source = "let k = get (concat('over/', @n % 40)); sleep @n % 2; set (concat('slow/', @n % 7)) k"
			case 4:
				source = "set @key @value; get by bucket over"
				if i/8%10 == 4 { // huge
					params["key"], params["value"] = fmt.Sprint("huge/", n%3), s.value(n, *flagSoakHuge)
				}
			}
			if _, err := s.db.Run(ctx, source, params, nil); err != nil {
				t.Errorf("%s: %v", source, err)
				return
			}
			s.scripts.Add(1)
		}
	})
	s.settle(t)
	for _, m := range s.metrics {
		m.samples = append(m.samples, m.of(s))
	}
}

// settle waits until everything is applied and the sweeper has caught up: what
// ended within the retention, 100 scripts, is all that is left beside the live
// rows.
func (s *soak) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		st := s.db.Stats()
		if st.UnappliedBytes == 0 && (s.noSweep || st.Rows <= soakKeys+3+7+1+150) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sweeper does not catch up: %+v", st)
		}
		time.Sleep(time.Millisecond)
	}
}

// judge returns what the run shows, and of what.
func (s *soak) judge() (verdict, []string) {
	st := s.db.Stats()
	want := int64(max(len(s.metrics[0].samples), 12)) * int64(*flagSoakScripts)
	var idle []string
	for what, done := range map[string]bool{
		"scripts": s.scripts.Load() >= want, "flushes": st.Flushes >= 10, "compactions": st.Compactions >= 5,
		"fsyncs": st.Fsyncs >= 100, "the slow path": st.SlowPath >= uint64(want/10),
		"purged rows":    s.noSweep || st.Purged >= uint64(want/10),
		"expired rows":   s.noSweep || st.EphemeralExpired+st.EphemeralEvicted >= uint64(want/10),
		"row cache full": st.RowCacheBytes > 0 && st.RowCacheMisses > 0,
	} {
		if !done {
			idle = append(idle, "too few: "+what)
		}
	}
	if idle != nil {
		return unknown, idle
	}
	result, found := steady, []string(nil)
	for _, m := range s.metrics {
		if v := plateau(m.samples, m.slack); v != steady {
			result = v
			found = append(found, fmt.Sprintf("%s is %s: %.0f", m.name, v, m.samples))
		}
	}
	return result, found
}

func (s *soak) run(t *testing.T, rounds int) {
	t.Helper()
	for i := range rounds {
		if s.round(t, i); t.Failed() {
			break
		}
	}
}

func (s *soak) close(t *testing.T) {
	t.Helper()
	if err := s.db.Close(); err != nil {
		t.Error(err)
	}
}

// TestSoak: disk, rows, memory and goroutines reach a plateau.
func TestSoak(t *testing.T) {
	s := newSoak(t, func(*Options) {})
	s.run(t, *flagSoakRounds)
	result, why := s.judge()
	if result != steady {
		t.Errorf("%s: %s\n%+v", result, strings.Join(why, "\n"), s.db.Stats())
	}
	for _, m := range s.metrics {
		t.Logf("%s: %.0f", m.name, m.samples)
	}
	t.Logf("%d scripts: %+v", s.scripts.Load(), s.db.Stats())
	s.close(t)
}

// TestSoakCatches: what keeps the store small, switched off one after the
// other, is found by the soak; so is a run that did too little.
func TestSoakCatches(t *testing.T) {
	for _, test := range []struct {
		name   string
		metric string // that grows, or one of several
		rounds int
		change func(*Options)
	}{
		{"no sweeping", "rows", 15, func(o *Options) { o.sweep = 24 * time.Hour }},
		{"the log is kept", "log", 15, func(o *Options) { o.keepLog = true }},
		// Files that compactions leave behind make the disk go up and down.
		{"unlimited history", "disk tables", 30, func(o *Options) { o.HistoryRevisions, o.HistoryAge = -1, -1; o.sweep = 24 * time.Hour }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSoak(t, test.change)
			// What compactions leave behind may hide growth for a while.
			var result verdict
			var why []string
			named := false
			for tries := 0; tries < 4 && !named; tries++ {
				s.run(t, test.rounds)
				result, why = s.judge()
				named = slices.ContainsFunc(strings.Fields(test.metric), func(metric string) bool {
					return strings.Contains(strings.Join(why, "\n"), metric+" is growing")
				})
			}
			if result != growing || !named {
				t.Errorf("%s, want growing by its %s: %s", result, test.metric, strings.Join(why, "\n"))
			}
			s.close(t)
		})
	}
	t.Run("too little", func(t *testing.T) {
		s := newSoak(t, func(*Options) {})
		s.run(t, 1)
		if result, _ := s.judge(); result != unknown {
			t.Errorf("%s, want unknown", result)
		}
		s.close(t)
	})
}
