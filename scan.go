package kahuna

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"kahuna/internal/partition"
	"kahuna/internal/txn"
	"kahuna/script"
)

// A page is what one call reads for an iterator. The first one is small, for
// those who want few rows, and each has twice the rows of the one before.
const (
	pageRowsFirst = 32
	pageRows      = 256
	pageBytes     = 1 << 20
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
	op, text string // for errors
	part     partition.Part
	asOf     int64
	err      error // why it can not be read
}

func (s *space) Bucket(ctx context.Context, bucket string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, bucketSpan(s.space, bucket, &s.db.limits), o)
}

func (s *space) Prefix(ctx context.Context, prefix string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, prefixSpan(s.space, prefix, &s.db.limits), o)
}

func (s *space) Range(ctx context.Context, start, end string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, keysSpan(s.space, start, end), o)
}

func (s *space) rows(ctx context.Context, r span, o *RangeOptions) iter.Seq2[Entry, error] {
	return r.rows(o, func(w *pageRead) error {
		j := txn.Job{Work: w}
		s.db.bound(&j)
		_, err := s.db.node.Runner.Run(ctx, &j)
		return err
	})
}

func (s txSpace) Bucket(ctx context.Context, bucket string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, bucketSpan(s.space, bucket, &s.tx.db.limits), o)
}

func (s txSpace) Prefix(ctx context.Context, prefix string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, prefixSpan(s.space, prefix, &s.tx.db.limits), o)
}

func (s txSpace) Range(ctx context.Context, start, end string, o *RangeOptions) iter.Seq2[Entry, error] {
	return s.rows(ctx, keysSpan(s.space, start, end), o)
}

func (s txSpace) rows(ctx context.Context, r span, o *RangeOptions) iter.Seq2[Entry, error] {
	return r.rows(o, func(w *pageRead) error { return s.tx.t.Do(ctx, w, nil) })
}

func bucketSpan(space script.Space, bucket string, limits *script.Limits) span {
	return span{op: "bucket", text: bucket, err: checkKey("bucket", bucket, limits),
		part: partition.Part{Range: partition.Range{Space: space, Text: strings.TrimSuffix(bucket, "/")}}}
}

func prefixSpan(space script.Space, prefix string, limits *script.Limits) span {
	r := span{op: "prefix", text: prefix,
		part: partition.Part{Range: partition.Range{Space: space, Prefix: true, Text: prefix}}}
	if prefix != "" {
		r.err = checkKey("prefix", prefix, limits)
	}
	return r
}

func keysSpan(space script.Space, start, end string) span {
	return span{op: "range", text: start, part: partition.Part{Range: partition.Keys(space, start, end)}}
}

// pageRead is the Work of reading a page. How far it reaches, and what it locks,
// is known when it is done.
type pageRead struct {
	part partition.Part
	asOf int64 // Unix milliseconds, 0 for now; a time to come becomes that of the first run
	rows []script.Row
}

// Do reads the page.
func (w *pageRead) Do(tx *partition.Tx, _ int64) (*script.Result, error) {
	if w.asOf >= tx.Now() {
		w.asOf = tx.Settle()
	}
	w.rows = w.rows[:0]
	return nil, tx.Read(w.part, w.asOf, func(row script.Row) error {
		w.rows = append(w.rows, row)
		return nil
	})
}

// rows iterates over r, a page at a time, each read by do.
func (r span) rows(o *RangeOptions, do func(*pageRead) error) iter.Seq2[Entry, error] {
	if o != nil {
		r.choose(o)
	}
	return func(yield func(Entry, error) bool) {
		if r.err != nil {
			yield(Entry{}, r.err)
			return
		}
		w := pageRead{part: r.part, asOf: r.asOf}
		w.part.Bytes = pageBytes
		for left, page := r.part.Limit, pageRowsFirst; ; page = min(2*page, pageRows) {
			w.part.Limit = page
			if r.part.Limit > 0 {
				w.part.Limit = min(left, page)
			}
			if err := do(&w); err != nil {
				yield(Entry{}, callErrorOf(r.op, r.text, err))
				return
			}
			bytes := 0
			for i := range w.rows {
				bytes += len(w.rows[i].Key) + len(w.rows[i].Value)
				if !yield(rowEntry(&w.rows[i]), nil) {
					return
				}
			}
			n := len(w.rows)
			if left -= n; left == 0 || n < w.part.Limit && bytes < pageBytes {
				return
			}
			w.part = w.part.After(w.rows[n-1].Key)
		}
	}
}

// choose makes r the part of it that o selects.
func (r *span) choose(o *RangeOptions) {
	switch {
	case r.err != nil:
	case o.Limit < 0:
		r.err = badRequest(r.op, r.text, fmt.Sprintf("Limit must not be negative, got %d", o.Limit), "0 is no bound")
	case !o.AsOf.IsZero() && o.AsOf.UnixMilli() <= 0:
		r.err = badRequest(r.op, r.text, fmt.Sprintf("AsOf must be after 1970, got %v", o.AsOf), "the zero time reads what is now")
	}
	r.part.Limit, r.part.Desc = o.Limit, o.Desc
	if o.After != "" {
		r.part = r.part.After(o.After)
	}
	if !o.AsOf.IsZero() {
		r.asOf = o.AsOf.UnixMilli()
	}
}
