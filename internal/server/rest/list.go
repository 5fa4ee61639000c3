package rest

import (
	"iter"
	"strconv"
	"time"

	"kahuna"
	"kahuna/internal/restwire"
)

// The keys of a page.
const (
	pageKeys     = 100
	pageKeysMost = 1000
	pageBytes    = 4 << 20 // of values; the last one may go beyond
)

// list answers GET /v1/keys.
func (c *call) list() {
	c.name = "list"
	if !c.known("prefix", "bucket", "start", "end", "after", "limit", "desc", "asOfMs", "space") {
		return
	}
	space, ok := c.space()
	if !ok {
		return
	}
	o, ok := c.rangeOptions()
	if !ok {
		return
	}
	limit := o.Limit
	o.Limit++ // to know whether more follow
	rows, ok := c.rows(space, o)
	if !ok {
		return
	}
	page, err := pageOf(rows, limit)
	if err != nil {
		c.fail(err)
		return
	}
	c.answer(page)
}

// pageOf returns the first rows, at most limit, and of no more than pageBytes.
func pageOf(rows iter.Seq2[kahuna.Entry, error], limit int) (*restwire.Page, error) {
	page := &restwire.Page{Entries: []restwire.Entry{}}
	size, last := 0, ""
	for e, err := range rows {
		if err != nil {
			return nil, err
		}
		if len(page.Entries) == limit || size >= pageBytes {
			page.Next = last
			break
		}
		page.Entries = append(page.Entries, restwire.EntryOf(&e))
		size += len(e.Key) + len(e.Value)
		last = e.Key
	}
	return page, nil
}

func (c *call) rangeOptions() (*kahuna.RangeOptions, bool) {
	o := &kahuna.RangeOptions{After: c.query.Get("after"), Limit: pageKeys}
	if text := c.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pageKeysMost {
			c.badRequest("limit must be 1 to "+strconv.Itoa(pageKeysMost)+", got "+strconv.Quote(text), "a page that is not the last has next, the after of the one behind it")
			return nil, false
		}
		o.Limit = n
	}
	switch text := c.query.Get("desc"); text {
	case "", "false":
	case "true":
		o.Desc = true
	default:
		c.badRequest("desc must be true or false, got "+strconv.Quote(text), "")
		return nil, false
	}
	if text := c.query.Get("asOfMs"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms <= 0 {
			c.badRequest("asOfMs must be a time in Unix milliseconds, got "+strconv.Quote(text), "")
			return nil, false
		}
		o.AsOf = time.UnixMilli(ms)
	}
	return o, true
}

// rows returns the rows that the query selects.
func (c *call) rows(space kahuna.Space, o *kahuna.RangeOptions) (iter.Seq2[kahuna.Entry, error], bool) {
	ctx, q := c.r.Context(), c.query
	ranged := q.Has("start") || q.Has("end")
	switch {
	case ranged && (q.Has("prefix") || q.Has("bucket")) || q.Has("prefix") && q.Has("bucket"):
		c.badRequest("prefix, bucket, and start with end exclude each other", "")
		return nil, false
	case ranged:
		return space.Range(ctx, q.Get("start"), q.Get("end"), o), true
	case q.Has("bucket"):
		return space.Bucket(ctx, q.Get("bucket"), o), true
	}
	return space.Prefix(ctx, q.Get("prefix"), o), true
}
