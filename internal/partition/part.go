package partition

import (
	"slices"
	"strings"

	"kahuna/script"
)

// ScanPart reads a part of a bucket or prefix.
func (tx *Tx) ScanPart(p *script.Part, visit func(script.Row) error) error {
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
