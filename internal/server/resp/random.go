package resp

import (
	"context"
	"math/rand/v2"
	"unicode/utf8"

	"kahuna"
)

// randomStep bounds how many keys behind a random text RANDOMKEY looks at.
const randomStep = 64

// randomKey is RANDOMKEY: one of the keys behind a random text between the first
// and the last key. It reads a few keys however many there are; those that stand
// behind a gap come more often.
func randomKey(c *conn, _ [][]byte) (op, error) {
	in := c.in0()
	return op{kind: opFunc, do: func(ctx context.Context, w *writer) {
		key, err := pickKey(ctx, in)
		switch {
		case err != nil:
			w.failed(err)
		case key == "":
			w.null()
		default:
			w.bulk(key)
		}
	}}, nil
}

func pickKey(ctx context.Context, in kahuna.Space) (string, error) {
	first, err := keyAfter(ctx, in, &kahuna.RangeOptions{Limit: 1})
	if err != nil || first == "" {
		return "", err
	}
	last, err := keyAfter(ctx, in, &kahuna.RangeOptions{Limit: 1, Desc: true})
	if err != nil {
		return "", err
	}
	key, err := keyAfter(ctx, in, &kahuna.RangeOptions{After: between(first, last), Limit: 1 + rand.IntN(randomStep)})
	if err != nil || key != "" {
		return key, err
	}
	return first, nil
}

// keyAfter returns the last of the keys that o selects, "" for none.
func keyAfter(ctx context.Context, in kahuna.Space, o *kahuna.RangeOptions) (key string, err error) {
	for e, err := range in.Prefix(ctx, "", o) {
		if err != nil {
			return "", err
		}
		key = e.Key
	}
	return key, nil
}

// between returns a random text that is not less than low and less than high,
// or about so: it begins with what both begin with.
func between(low, high string) string {
	n := 0
	for n < len(low) && n < len(high) && low[n] == high[n] {
		n++
	}
	for n > 0 && !utf8.RuneStart(high[min(n, len(high)-1)]) {
		n--
	}
	from, to := rune(0x20), rune(0x7f)
	if n < len(low) {
		from, _ = utf8.DecodeRuneInString(low[n:])
	}
	if n < len(high) {
		to, _ = utf8.DecodeRuneInString(high[n:])
	}
	text := append([]byte(low[:n]), string(from+rand.N(max(to-from, 0)+1))...)
	for range 4 {
		text = append(text, byte(0x20+rand.IntN(0x5f)))
	}
	return string(text)
}
