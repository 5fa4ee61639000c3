package kahuna

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"kahuna/script"
)

// Collect reads rows to their end and returns them. When they end with an error,
// it returns none of them.
func Collect(rows iter.Seq2[Entry, error]) ([]Entry, error) {
	var all []Entry
	for e, err := range rows {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// span is what one iterator reads.
type span struct {
	op         string // for errors
	bucket     bool   // of the bucket text, else of the prefix text
	text       string
	start, end string
	o          RangeOptions
}

func (s *space) Bucket(ctx context.Context, bucket string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, span{op: "bucket", bucket: true, text: bucket}, o)
}

func (s *space) Prefix(ctx context.Context, prefix string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, span{op: "prefix", text: prefix}, o)
}

func (s *space) Range(ctx context.Context, start, end string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, span{op: "range", start: start, end: end}, o)
}

func (s *space) rows(ctx context.Context, r span, o *RangeOptions) iter.Seq2[Entry, error] {
	return read(r, o, &s.db.limits, s.space, func(w *call) error { return s.do(ctx, w) },
		func(source string, params Params) (*Result, error) { return s.db.Run(ctx, source, params, nil) })
}

func (s txSpace) Bucket(ctx context.Context, bucket string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, span{op: "bucket", bucket: true, text: bucket}, o)
}

func (s txSpace) Prefix(ctx context.Context, prefix string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, span{op: "prefix", text: prefix}, o)
}

func (s txSpace) Range(ctx context.Context, start, end string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, span{op: "range", start: start, end: end}, o)
}

func (s txSpace) rows(ctx context.Context, r span, o *RangeOptions) iter.Seq2[Entry, error] {
	return read(r, o, &s.tx.db.limits, s.space, nil,
		func(source string, params Params) (*Result, error) { return s.tx.Run(ctx, source, params, nil) })
}

// read iterates over r.
func read(r span, o *RangeOptions, limits *script.Limits, space script.Space, do func(*call) error, run func(string, Params) (*Result, error)) iter.Seq2[Entry, error] {
	if o != nil {
		r.o = *o
	}
	return func(yield func(Entry, error) bool) {
		rows, err := r.all(limits, space, do, run)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, e := range rows {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (r *span) all(limits *script.Limits, space script.Space, do func(*call) error, run func(string, Params) (*Result, error)) ([]Entry, error) {
	if r.o.Limit < 0 {
		return nil, badRequest(r.op, r.text, fmt.Sprintf("Limit must not be negative, got %d", r.o.Limit), "0 is no bound")
	}
	prefix := r.text
	if r.bucket {
		if err := checkKey(r.op, r.text, limits); err != nil {
			return nil, err
		}
		r.text = strings.TrimSuffix(r.text, "/")
		prefix = r.text + "/"
	}
	var rows []Entry
	if do == nil || !r.o.AsOf.IsZero() {
		source := "scan by prefix @p"
		if !r.o.AsOf.IsZero() {
			source += " as of @t"
		}
		if space == script.Ephemeral {
			source = "e" + source
		}
		res, err := run(source, Params{"p": prefix, "t": r.o.AsOf.UnixMilli()})
		if err != nil {
			return nil, callErrorOf(r.op, r.text, err)
		}
		rows = res.Entries
	} else {
		w := call{kind: callPage, key: prefix, limit: limits.Rows}
		for {
			if err := do(&w); err != nil {
				return nil, err
			}
			for i := range w.rows {
				rows = append(rows, rowEntry(&w.rows[i]))
			}
			if w.next == "" {
				break
			}
			w.value = w.next
		}
	}
	rows = slices.DeleteFunc(rows, func(e Entry) bool {
		switch {
		case r.bucket && strings.Contains(e.Key[len(prefix):], "/"), e.Key < r.start, r.end != "" && e.Key >= r.end:
			return true
		case r.o.After == "":
			return false
		case r.o.Desc:
			return e.Key >= r.o.After
		}
		return e.Key <= r.o.After
	})
	slices.SortFunc(rows, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	if r.o.Desc {
		slices.Reverse(rows)
	}
	if r.o.Limit > 0 && len(rows) > r.o.Limit {
		rows = rows[:r.o.Limit]
	}
	return rows, nil
}
