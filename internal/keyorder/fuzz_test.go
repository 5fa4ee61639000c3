package keyorder_test

import (
	"slices"
	"strings"
	"testing"

	"kahuna/internal/keyorder"
)

// FuzzWalk compares walks with sorting, as TestWalkProperty does. The keys are
// the lines of text.
func FuzzWalk(f *testing.F) {
	f.Fuzz(func(t *testing.T, text, start, end, after string, prefix, desc bool) {
		if len(text)+len(start)+len(end)+len(after) > 256 {
			return // more shows nothing new, slowly
		}
		keys := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == 0 })
		slices.Sort(keys)
		r := keyorder.Range{Start: start, End: end}
		if prefix {
			r = keyorder.Prefix(start)
		}
		check(t, t, slices.Compact(keys), r, after, desc)
	})
}
