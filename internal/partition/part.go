package partition

import (
	"slices"
	"strings"

	"kahuna/script"
)

// ScanPart reads a part of a bucket or prefix. The first rows of a bucket are
// read as far as they are wanted; any other part is read with all that it is a
// part of, and cut out.
func (tx *Tx) ScanPart(p *script.Part, visit func(script.Row) error) error {
	if !p.Prefix && !p.Desc && p.AsOf == 0 && p.Limit > 0 {
		return tx.scanFirst(p, visit)
	}
	var rows []script.Row
	err := tx.Scan(p.Space, p.Prefix, p.Text, p.AsOf, func(r script.Row) error {
		if !p.HasAfter || !p.Desc && r.Key > p.After || p.Desc && r.Key < p.After {
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b script.Row) int {
		if p.Desc {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	for i := range rows {
		if i == p.Limit {
			break
		}
		if err := visit(rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// scanFirst reads the first rows of a bucket. In a bucket the store's order is
// that of the keys' bytes.
func (tx *Tx) scanFirst(p *script.Part, visit func(script.Row) error) error {
	rng := Range{Space: p.Space, Text: p.Text}
	after := ""
	if p.HasAfter {
		var none bool
		if after, none = afterInBucket(p.Text, p.After); none {
			return nil
		}
	}
	for left := p.Limit; left > 0; {
		rows, next, err := tx.Page(rng, after, min(left, pageMax))
		if err != nil {
			return err
		}
		for i := range rows {
			if err := visit(rows[i]); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		left -= len(rows)
		after = next
	}
	return nil
}

// pageMax is how many rows a part is read at a time.
const pageMax = 4096

// afterInBucket returns the key after which the keys of a bucket are greater
// than text, "" for all of them, or that there are none.
func afterInBucket(bucket, text string) (after string, none bool) {
	base := bucket + "/"
	rest, ok := strings.CutPrefix(text, base)
	if !ok {
		return "", text > base
	}
	// The rest of a key has no slash. Those greater than "x/y" are those greater
	// than whatever begins with "x.", the character before the slash.
	if head, _, slash := strings.Cut(rest, "/"); slash {
		rest = head + ".\xff"
	}
	return base + rest, false
}
