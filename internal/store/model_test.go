package store_test

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

// model is what a store should be, as plainly as it can be said. Versions are
// oldest first; the last is the newest.
type model struct {
	keep    int64
	keys    map[string][]kv.Row
	hidden  map[string][]kv.Row // norev versions since the last kept one
	results map[string]kv.StoredResult
	horizon hlc.Timestamp
	index   uint64
	time    hlc.Timestamp
}

func newModel(keep int64) *model {
	return &model{keep: keep, keys: map[string][]kv.Row{}, hidden: map[string][]kv.Row{}, results: map[string]kv.StoredResult{}}
}

func (m *model) clone() *model {
	c := *m
	c.keys = map[string][]kv.Row{}
	for k, v := range m.keys {
		c.keys[k] = slices.Clone(v)
	}
	c.hidden = map[string][]kv.Row{}
	for k, v := range m.hidden {
		c.hidden[k] = slices.Clone(v)
	}
	c.results = maps.Clone(m.results)
	return &c
}

func (m *model) newest(key string) (kv.Row, bool) {
	v := m.keys[key]
	if len(v) == 0 {
		return kv.Row{Revision: -1}, false
	}
	return v[len(v)-1], true
}

func (m *model) apply(index uint64, b *kv.Batch) {
	m.index, m.time = index, max(m.time, b.Time)
	for _, op := range b.Ops {
		m.op(op, b.Time)
	}
	for k, r := range m.results {
		if b.Forget.Has(r.Time) {
			delete(m.results, k)
		}
	}
	for _, r := range b.Results {
		m.results[r.Key] = r
	}
}

func (m *model) op(op kv.Op, now hlc.Timestamp) {
	v := m.keys[op.Key]
	last := len(v) - 1
	switch op.Kind {
	case kv.Put:
		m.hidden[op.Key] = hidden(m.hidden[op.Key], v)
		op.Row.Gap = kv.Gap{}
		if h := m.hidden[op.Key]; len(h) > 0 {
			op.Row.Gap = kv.Gap{Since: h[0].Modified, Prev: h[0].Prev}
		}
		if last >= 0 && v[last].NoRev {
			v = v[:last]
		}
		if m.keep >= 0 {
			v = slices.DeleteFunc(v, func(r kv.Row) bool { return r.Revision <= op.Row.Revision-m.keep })
		}
		m.keys[op.Key] = append(v, op.Row)
	case kv.Touch:
		if last >= 0 && !v[last].Deleted {
			v[last].Expires = op.Row.Expires
		}
	case kv.Purge:
		if last < 0 {
			return
		}
		end := max(now, v[last].Modified)
		if r := v[last]; r.Deleted {
			end = r.Modified
		} else if r.Expires != 0 && hlc.At(r.Expires) < now {
			end = max(r.Modified, hlc.At(r.Expires))
		}
		m.horizon = max(m.horizon, end)
		delete(m.keys, op.Key)
		delete(m.hidden, op.Key)
	case kv.Prune:
		if last < 0 {
			return
		}
		m.keys[op.Key] = append(slices.DeleteFunc(slices.Clone(v[:last]), func(r kv.Row) bool { return r.Revision < op.Row.Revision }), v[last])
	}
}

// hidden returns the norev versions that are hidden once the newest one of
// versions is superseded, given those that were hidden before.
func hidden(before, versions []kv.Row) []kv.Row {
	if len(versions) == 0 || !versions[len(versions)-1].NoRev {
		return nil
	}
	return append(slices.Clip(before), versions[len(versions)-1])
}

// order is the order of the store.
func order(a, b string) int {
	ab, ar, as := kv.SplitKey(a)
	bb, br, bs := kv.SplitKey(b)
	switch {
	case ab != bb:
		return strings.Compare(ab, bb)
	case as != bs && !as:
		return -1
	case as != bs:
		return 1
	}
	return strings.Compare(ar, br)
}

func (m *model) sorted() []string { return slices.SortedFunc(maps.Keys(m.keys), order) }

// text writes everything that can be read, one line each.
func (m *model) text() string {
	var b strings.Builder
	for _, k := range m.sorted() {
		v := m.keys[k]
		line(&b, "row", k, v[len(v)-1])
	}
	var dying []string
	for _, k := range m.sorted() {
		v := m.keys[k]
		prev := v[len(v)-1].Revision
		for _, r := range slices.Backward(v) {
			version(&b, k, r, prev)
			prev = keptBefore(r)
		}
		r := v[len(v)-1]
		if r.Deleted {
			dying = append(dying, fmt.Sprintf("dying %016x %q\n", r.Modified.Millis(), k))
		} else if r.Expires != 0 {
			dying = append(dying, fmt.Sprintf("dying %016x %q\n", r.Expires, k))
		}
	}
	sort.Strings(dying)
	b.WriteString(strings.Join(dying, ""))
	results := slices.SortedFunc(maps.Values(m.results), func(x, y kv.StoredResult) int {
		if x.Time != y.Time {
			return int(int64(x.Time) - int64(y.Time))
		}
		return strings.Compare(x.Key, y.Key)
	})
	for _, r := range results {
		fmt.Fprintf(&b, "result %q %v\n", r.Key, r)
	}
	fmt.Fprintf(&b, "horizon %d rows %d applied %d %d\n", m.horizon, len(m.keys), m.index, m.time)
	return b.String()
}

// keptBefore returns the revision of the version before r that the history
// shows, if it shows any.
func keptBefore(r kv.Row) int64 {
	if r.Gap != (kv.Gap{}) {
		return r.Gap.Prev
	}
	return r.Prev
}

// version is a line without the expiry if the version after it is not kept.
func version(b *strings.Builder, key string, r kv.Row, prev int64) {
	if r.Revision != prev {
		r.Expires = 0
	}
	line(b, "version", key, r)
}

func line(b *strings.Builder, what, key string, r kv.Row) {
	value := r.Value
	if len(value) > 40 {
		value = fmt.Sprintf("%s…%d", value[:40], len(value))
	}
	r.Value = ""
	fmt.Fprintf(b, "%s %q %+v %q\n", what, key, r, value)
}

// storeText is the text of a store with the one group 1.
func storeText(s *store.Store) (string, error) {
	var b strings.Builder
	var keys []string
	row := map[string]int64{}
	err := s.Scan(true, "", func(key string, r kv.Row) error {
		line(&b, "row", key, r)
		keys = append(keys, key)
		row[key] = r.Revision
		got, found, err := s.Get(key) // a visit may call the store
		if err == nil && (!found || got != r) {
			err = fmt.Errorf("Get(%q) = %+v %v, scanned %+v", key, got, found, r)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		newest, prev := true, row[k]
		err := s.Versions(k, func(r kv.Row) bool {
			version(&b, k, r, prev)
			prev = keptBefore(r)
			at, found, err2 := s.At(k, r.Revision)
			if !newest {
				at.Expires = r.Expires
			}
			if err2 != nil || !found || at != r {
				fmt.Fprintf(&b, "At differs: %+v %v %v\n", at, found, err2)
			}
			newest = false
			return true
		})
		if err != nil {
			return "", err
		}
	}
	err = s.Dying(1<<60, store.DyingCursor{}, 1<<30, func(key string, at int64) error {
		fmt.Fprintf(&b, "dying %016x %q\n", at, key)
		return nil
	})
	if err != nil {
		return "", err
	}
	err = s.OldResults(kv.Period{To: 1 << 63}, 1<<30, func(id string, at hlc.Timestamp) error {
		r, found, err := s.Result(id)
		if err != nil || !found || r.Time != at {
			return fmt.Errorf("Result(%q) of %d: %v %v", id, at, found, err)
		}
		fmt.Fprintf(&b, "result %q %v\n", r.Key, r)
		return nil
	})
	if err != nil {
		return "", err
	}
	index, time, err := s.Applied(1)
	fmt.Fprintf(&b, "horizon %d rows %d applied %d %d\n", s.Horizon(), s.Metrics().Rows, index, time)
	return b.String(), err
}
