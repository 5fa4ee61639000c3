package keyorder_test

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"strings"
	"testing"

	"kahuna/internal/keyorder"
)

// split cuts a key as the store does.
func split(key string) (bucket string, slash bool, rest string) {
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		return key[:i], true, key[i+1:]
	}
	return key, false, ""
}

// storeOrder compares keys as the store does.
func storeOrder(a, b string) int {
	ab, as, ar := split(a)
	bb, bs, br := split(b)
	return comparePlaces(ab, as, ar, bb, bs, br)
}

func comparePlaces(ab string, as bool, ar string, bb string, bs bool, br string) int {
	if c := cmp.Compare(ab, bb); c != 0 || as == bs {
		return cmp.Or(c, cmp.Compare(ar, br))
	}
	if as {
		return 1
	}
	return -1
}

// source is rows in memory, in store order.
type source struct {
	t     testing.TB
	keys  []string
	seeks int // of all cursors
	steps int
	// fail, if it is not nil, is called before each move.
	fail func() error
}

func newSource(t testing.TB, keys []string) *source {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, storeOrder)
	return &source{t: t, keys: keys}
}

func (s *source) cursor() *cursor { return &cursor{src: s, at: -1} }

// cursor implements keyorder.Cursor strictly: it spoils what it has returned
// when it is moved, and fails the test when it is not used as it must be.
type cursor struct {
	src *source
	at  int // -1 for no row
	key []byte
	err error
}

func (c *cursor) SeekGE(at keyorder.Position) bool {
	c.src.seeks++
	return c.move(c.find(at))
}

func (c *cursor) SeekLT(at keyorder.Position) bool {
	c.src.seeks++
	return c.move(c.find(at) - 1)
}

func (c *cursor) Last() bool {
	c.src.seeks++
	return c.move(len(c.src.keys) - 1)
}

func (c *cursor) Next() bool { return c.step(+1) }
func (c *cursor) Prev() bool { return c.step(-1) }

func (c *cursor) step(d int) bool {
	if c.at < 0 {
		c.src.t.Fatal("a step from no row")
	}
	c.src.steps++
	return c.move(c.at + d)
}

func (c *cursor) find(at keyorder.Position) int {
	bucket, rest := string(at.Bucket), string(at.Rest)
	if strings.Contains(bucket+rest, "\x00") || !at.Slash && rest != "" {
		c.src.t.Fatalf("a seek to %q %v %q", bucket, at.Slash, rest)
	}
	return sort.Search(len(c.src.keys), func(i int) bool {
		b, s, r := split(c.src.keys[i])
		return comparePlaces(b, s, r, bucket, at.Slash, rest) >= 0
	})
}

func (c *cursor) move(to int) bool {
	for i := range c.key {
		c.key[i] = 0xee
	}
	c.at, c.err = -1, nil
	if c.src.fail != nil {
		c.err = c.src.fail()
	}
	if c.err != nil || to < 0 || to >= len(c.src.keys) {
		return false
	}
	c.at, c.key = to, []byte(c.src.keys[to])
	return true
}

func (c *cursor) Key() []byte {
	if c.at < 0 {
		c.src.t.Fatal("the key of no row")
	}
	return c.key
}

func (c *cursor) Err() error { return c.err }

// quietRows is rows in memory whose cursors allocate nothing and check nothing.
type quietRows []keyorder.Position

func newQuietRows(keys []string) quietRows {
	var rows quietRows
	for _, k := range slices.SortedFunc(slices.Values(keys), storeOrder) {
		b, s, r := split(k)
		rows = append(rows, keyorder.Position{Bucket: []byte(b), Slash: s, Rest: []byte(r)})
	}
	return rows
}

func (q quietRows) cursor() *quietCursor { return &quietCursor{rows: q} }

type quietCursor struct {
	rows quietRows
	at   int
	key  []byte
}

func (c *quietCursor) SeekGE(at keyorder.Position) bool { return c.move(c.find(at)) }
func (c *quietCursor) SeekLT(at keyorder.Position) bool { return c.move(c.find(at) - 1) }
func (c *quietCursor) Last() bool                       { return c.move(len(c.rows) - 1) }
func (c *quietCursor) Next() bool                       { return c.move(c.at + 1) }
func (c *quietCursor) Prev() bool                       { return c.move(c.at - 1) }
func (c *quietCursor) Key() []byte                      { return c.key }
func (c *quietCursor) Err() error                       { return nil }

func (c *quietCursor) find(at keyorder.Position) int {
	low, high := 0, len(c.rows)
	for low < high {
		mid := (low + high) / 2
		row := c.rows[mid]
		n := bytes.Compare(row.Bucket, at.Bucket)
		if n == 0 && row.Slash == at.Slash {
			n = bytes.Compare(row.Rest, at.Rest)
		} else if n == 0 && at.Slash {
			n = -1
		}
		if n < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (c *quietCursor) move(to int) bool {
	c.at = to
	if to < 0 || to >= len(c.rows) {
		return false
	}
	row := c.rows[to]
	c.key = append(c.key[:0], row.Bucket...)
	if row.Slash {
		c.key = append(append(c.key, '/'), row.Rest...)
	}
	return true
}
