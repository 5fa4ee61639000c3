package script

import (
	"cmp"
	"slices"
	"strings"

	"kahuna/script/check"
)

// Footprint is what a call will touch, as far as that is known before it
// runs: the keys and ranges of all its commands, whether or not their branch
// will be reached. Reads of history (at, as of, and everything in a snapshot
// transaction) need no lock and are left out. It must not be changed.
type Footprint struct {
	// Points are the keys, each once, ordered by space and key. Write tells
	// whether some command may write it.
	Points []PointAccess
	// Ranges are the buckets and prefixes read, each once, ordered by space,
	// kind and text.
	Ranges []RangeAccess
	// Complete tells that a run touches nothing else. Otherwise some key is
	// known only while running.
	Complete bool
	CanWrite bool // has a write command
	CanSleep bool // has a sleep
}

// PointAccess is one key of a Footprint.
type PointAccess struct {
	Space Space
	Key   string
	Write bool
}

// RangeAccess is one bucket or prefix of a Footprint, as Tx.Scan takes it: of
// a bucket without the trailing slash.
type RangeAccess struct {
	Space  Space
	Prefix bool
	Text   string
	// Part tells that only some of its first or last rows are read: what is read
	// is known only while running.
	Part bool
	// Write tells that what is read may be deleted.
	Write bool
}

func (fp *Footprint) reset() {
	clear(fp.Points)
	clear(fp.Ranges)
	*fp = Footprint{Points: fp.Points[:0], Ranges: fp.Ranges[:0]}
}

// keyAccess is the key of one command, compiled for the footprint.
type keyAccess struct {
	access check.Access
	space  Space
	name   string // of a static key
	param  int    // of a placeholder, else -1
	empty  bool   // it may be empty
	part   bool   // only a part of a range is read
	eval   expr   // of a computed key, else nil
}

// footprint compiles what Call.Footprint needs. A footprint that no parameter
// changes is made once for all calls.
func (c *compiler) footprint() {
	p := c.program
	fixed := true
	fp := Footprint{Complete: true, CanWrite: c.info.CanWrite, CanSleep: c.info.CanSleep}
	for i := range c.info.Keys {
		use := &c.info.Keys[i]
		if use.History {
			continue
		}
		if use.Class == check.Dynamic {
			fp.Complete = false
			continue
		}
		k := keyAccess{access: use.Access, space: use.Space, param: -1, name: use.Key.Name, empty: use.Limited, part: use.Part}
		if use.Part || use.Access >= check.DeleteBucket {
			fp.Complete = false
		}
		if use.Class == check.Bindable {
			fixed = false
			k.name = ""
			if use.Key.X != nil {
				k.eval = c.expr(use.Key.X)
			} else {
				k.param, _ = c.info.Param(use.Key.Name)
			}
		}
		p.keys = append(p.keys, k)
	}
	p.fixed = fp
	if fixed {
		for i := range p.keys {
			p.fixed.add(&p.keys[i], p.keys[i].name)
		}
		p.fixed.arrange()
		p.keys = nil
	}
}

func (fp *Footprint) add(k *keyAccess, text string) {
	switch k.access {
	case check.ReadBucket, check.ReadPrefix, check.DeleteBucket, check.DeletePrefix:
		prefix := k.access == check.ReadPrefix || k.access == check.DeletePrefix
		fp.Ranges = append(fp.Ranges, RangeAccess{
			Space: k.space, Prefix: prefix, Text: rangeText(prefix, text),
			Part: k.part, Write: k.access >= check.DeleteBucket,
		})
	default:
		fp.Points = append(fp.Points, PointAccess{Space: k.space, Key: text, Write: k.access == check.Write})
	}
}

// arrange sorts points and ranges and drops what is there twice.
func (fp *Footprint) arrange() {
	if len(fp.Points) > 1 {
		slices.SortFunc(fp.Points, func(a, b PointAccess) int {
			return cmp.Or(int(a.Space)-int(b.Space), strings.Compare(a.Key, b.Key))
		})
		n := 0
		for _, p := range fp.Points[1:] {
			if last := &fp.Points[n]; last.Space == p.Space && last.Key == p.Key {
				last.Write = last.Write || p.Write
				continue
			}
			n++
			fp.Points[n] = p
		}
		fp.Points = fp.Points[:n+1]
	}
	if len(fp.Ranges) > 1 {
		slices.SortFunc(fp.Ranges, func(a, b RangeAccess) int {
			return cmp.Or(int(a.Space)-int(b.Space), rank(a.Prefix)-rank(b.Prefix), strings.Compare(a.Text, b.Text),
				rank(a.Part)-rank(b.Part), rank(a.Write)-rank(b.Write))
		})
		fp.Ranges = slices.Compact(fp.Ranges)
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Footprint returns what the call will touch. It is computed once and valid
// until Release. A computed key that can be known but fails to be computed is
// left out: the script fails where it reaches its command, and not before. One
// that takes long to compute is left out too, and then the footprint is not
// complete.
func (c *Call) Footprint() *Footprint {
	p := c.prog
	if len(p.keys) == 0 {
		return &p.fixed
	}
	if c.known {
		return &c.footprint
	}
	c.known = true
	fp := &c.footprint
	fp.reset()
	fp.Complete, fp.CanWrite, fp.CanSleep = p.fixed.Complete, p.fixed.CanWrite, p.fixed.CanSleep
	steps := int64(keySteps)
	for i := range p.keys {
		k := &p.keys[i]
		text := k.name
		switch {
		case k.param >= 0:
			text = c.keys[k.param].key
		case k.eval != nil:
			var ok, late bool
			if text, ok, late = c.computedKey(k.eval, k.empty, &steps); !ok {
				fp.Complete = fp.Complete && !late
				continue
			}
		}
		fp.add(k, text)
	}
	fp.arrange()
	return fp
}

// keySteps bounds what computing all the keys of a call may take, in steps: it
// happens before the run, when nothing can stop it. Keys that take longer are
// met while the script runs.
const keySteps = 20_000

// computedKey evaluates a key that consists of literals, placeholders,
// operators and pure functions: it needs no Tx and sees no variables. steps is
// what is left for it and those after it. late tells that it takes more.
func (c *Call) computedKey(eval expr, empty bool, steps *int64) (text string, ok, late bool) {
	if *steps <= 0 {
		return "", false, true
	}
	f := &c.frame
	f.start(nil, nil, *steps)
	v, err := eval(f)
	*steps -= f.steps + f.meter.made/bytesPerStep + 1
	f.stack = f.stack[:0]
	if err != nil {
		return "", false, err == ErrSlowPath
	}
	text, fault := keyText(v, f.meter.limits, empty)
	return text, fault == nil, false
}
