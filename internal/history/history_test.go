package history

import (
	"sync"
	"testing"
)

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		a, b             Span
		before, overlaps bool
	}{
		{Span{1, 2}, Span{3, 4}, true, false},
		{Span{1, 3}, Span{2, 4}, false, true},
		{Span{1, 4}, Span{2, 3}, false, true},
		{Span{3, 4}, Span{1, 2}, false, false},
		{Span{1, Never}, Span{100, 101}, false, true},
	} {
		if c.a.Before(c.b) != c.before || c.a.Overlaps(c.b) != c.overlaps || c.b.Overlaps(c.a) != c.overlaps {
			t.Errorf("%v and %v: before %v, overlaps %v", c.a, c.b, c.a.Before(c.b), c.a.Overlaps(c.b))
		}
	}
}

func TestEvents(t *testing.T) {
	var events Events
	var mu sync.Mutex
	seen := map[int64]bool{}
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for range 100 {
				n := events.Next()
				mu.Lock()
				if seen[n] {
					t.Errorf("%d came twice", n)
				}
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	working.Wait()
	if len(seen) != 400 || !seen[1] || !seen[400] {
		t.Errorf("%d numbers", len(seen))
	}
}

func TestUnmet(t *testing.T) {
	needs := []Need{{"reads", 3, 3}, {"writes", 1, 2}, {"scans", 0, 1}}
	if got := Shortfall(Unmet(needs)); got != "writes 1 of 2, scans 0 of 1" {
		t.Errorf("got %q", got)
	}
	if got := Unmet(needs[:1]); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
