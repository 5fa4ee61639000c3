package script

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
)

// longText returns text of more than three pieces, with characters of all
// lengths, and bytes that are none, across the places where it is cut.
func longText(rng *rand.Rand, n int) string {
	parts := []string{"a", "é", "€", "😀", "\xff", "\x80", " ", "ab", "\"", "\n", "Z"}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(parts[rng.IntN(len(parts))])
	}
	return b.String()
}

// TestPieces: working on a text piece by piece changes no answer.
func TestPieces(t *testing.T) {
	limits := DefaultLimits()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := longText(rng, 3*pollBytes+rng.IntN(1000))
		pad := strings.Repeat("\u3000 \u2028", pollBytes/5)
		sep := []string{"a", "ab", "€", "😀a", s[pollBytes-3 : pollBytes+4]}[seed%5]
		call := func(f builtin, args ...Value) string {
			v, err := f(&callEnv{meter: newMeter(&limits)}, args)
			if err != nil {
				return err.Error()
			}
			if v.kind == KindArray {
				return fmt.Sprint(len(v.Elems()), v.Elems())
			}
			return scalarText(v)
		}
		str := func(s string) Value { return String(s) }
		chars := []rune(s)
		mapped := func(f func(rune) rune) string {
			var b strings.Builder
			for i, r := range s {
				if m := f(r); m != r {
					b.WriteRune(m)
				} else if r == unicode.ReplacementChar {
					b.WriteByte(s[i])
				} else {
					b.WriteRune(r)
				}
			}
			return b.String()
		}
		at := strings.Index(s, sep)
		if at > 0 {
			at = len([]rune(s[:at]))
		}
		var parts []Value
		for _, p := range strings.Split(s, sep) {
			parts = append(parts, String(p))
		}
		third := len(chars) / 3
		from, _ := charOffset(s, int64(third))
		to, _ := charOffset(s, int64(2*third))
		for name, got := range map[string][2]string{
			"len":       {call(callLen, str(s)), fmt.Sprint(len(chars))},
			"upper":     {call(callUpper, str(s)), mapped(unicode.ToUpper)},
			"lower":     {call(callLower, str(s)), mapped(unicode.ToLower)},
			"index_of":  {call(callIndexOf, str(s), str(sep)), fmt.Sprint(at)},
			"contains":  {call(callContains, str(s), str(sep)), fmt.Sprint(strings.Contains(s, sep))},
			"replace":   {call(callReplace, str(s), str(sep), str("-é-")), strings.ReplaceAll(s, sep, "-é-")},
			"split":     {call(callSplit, str(s), str(sep)), fmt.Sprint(len(parts), parts)},
			"concat":    {call(callConcat, str(s), Int(1), str(s)), s + "1" + s},
			"repeat":    {call(callRepeat, str(s[:100]), Int(1999)), strings.Repeat(s[:100], 1999)},
			"join":      {call(callJoin, Array([]Value{str(s), Int(2), str(s)}), str(sep)), s + sep + "2" + sep + s},
			"trim":      {call(callTrim, str(pad+"x"+s+"x"+pad)), "x" + s + "x"},
			"trim all":  {call(callTrim, str(pad+pad)), ""},
			"substring": {call(callSubstring, str(s), Int(int64(third)), Int(int64(third))), s[from:to]},
			"to_json":   {call(callToJSON, str(strings.ToValidUTF8(s, "?"))), jsonOf(String(strings.ToValidUTF8(s, "?")))},
		} {
			if got[0] != got[1] {
				t.Errorf("seed %d: %s: %.80q (%d bytes), want %.80q (%d bytes)", seed, name, got[0], len(got[0]), got[1], len(got[1]))
			}
		}
	}
}

// TestStopInsideFunction: whoever stops a run that is inside a function does not
// wait for its end, and others get the processor meanwhile.
func TestStopInsideFunction(t *testing.T) {
	limits := Limits{Steps: 1 << 40, MemoryBytes: 1 << 40}.WithDefaults()
	stop := errors.New("stopped")
	big := strings.Repeat("aé\"b", 1<<20)
	pairs := func() any {
		var a any = 1
		for range 14 {
			a = []any{a, a}
		}
		return a
	}
	many := strings.Repeat(", @n", 20)
	for _, source := range []string{
		"len(@v)", "upper(@v)", "lower(@v)", "concat(@v, @v)", "to_json(@v)", "to_json([@v, 1])", "trim(@s)",
		"substring(@v, 3000000)", "index_of(@v, 'no')", "contains(@v, 'no')", "replace(@v, 'a', 'xy')",
		"replace(@v, 'éx', 'y')", "repeat('abc', 5000000)", "split(@v, 'no')", "join([@v, @v], @v)",
		"to_json(@pairs)", "[@pairs] == [@pairs2]",
		"max(@n" + many + ")", "min(@n" + many + ")",
		// Small arrays, of texts that are long and not the same one.
		"[@v, @v, @v, @v] == [@w, @w, @w, @w]", "[[@v, @v], [@v, @v]] != [[@w, @w], [@w, @w]]", "contains([@v, @v, @v, @v], @w2)",
		"contains([1, [@v, @v, @v, @v]], [@w, @w, @w, @w])", "[1, 1, 1, 1] == [@n, @n, @n, @n]", "contains([@n, @n, @n, @n], 2)",
	} {
		p, err := Compile("return "+source, &limits)
		if err != nil {
			t.Fatal(err)
		}
		call, err := p.Bind(map[string]any{"v": big, "w": strings.Clone(big), "pairs": pairs(), "pairs2": pairs(), "w2": big[1:] + "x",
			"n": strings.Repeat("0", 5<<20) + "1", "s": strings.Repeat(" ", 5<<20)})
		if err != nil {
			t.Fatal(err)
		}
		yields := 0
		in := &Interrupt{}
		in.Yield = func(int64) {
			if yields++; yields == 3 {
				in.Stop(stop)
			}
		}
		if _, err := call.Run(nil, in, 0); !errors.Is(err, stop) {
			t.Errorf("%s: %v after %d yields, want it stopped", source, err, yields)
		}
		// With a budget it does not even begin, and never yields.
		yields = 0
		if _, err := call.Run(nil, &Interrupt{Yield: func(int64) { yields++ }}, 4000); err != ErrSlowPath || yields != 0 {
			t.Errorf("%s with a budget: %v after %d yields, want ErrSlowPath", source, err, yields)
		}
		call.Release()
	}
}

// TestGrowingTextTakesSlowPath: what is made in the executor is bounded by the
// budget, in bytes.
func TestGrowingTextTakesSlowPath(t *testing.T) {
	limits := DefaultLimits()
	for _, source := range []string{
		"let s = 'x'; while len(s) < 8000000 do let s = concat(s, s) end",
		"let s = repeat('x', 500000); for i in 1..5 do let t = concat(s, i) end",
		"for i in 1..5 do let a = [1..9000] end",
	} {
		p, err := Compile(source, &limits)
		if err != nil {
			t.Fatal(err)
		}
		call, err := p.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call.Run(nil, nil, 4000); err != ErrSlowPath {
			t.Errorf("%s: %v, want ErrSlowPath", source, err)
		}
		if made := call.meter.made; made > 2*4000*bytesPerStep {
			t.Errorf("%s: made %d bytes", source, made)
		}
		if _, err := call.Run(nil, nil, 0); err != nil {
			t.Errorf("%s: %v", source, err)
		}
		call.Release()
	}
}
