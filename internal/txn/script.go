package txn

import (
	"kahuna/internal/partition"
	"kahuna/script"
)

// Script is the Work of a bound script. Its answer is Result, which is valid
// until the next run.
type Script struct {
	Call      *script.Call
	Interrupt script.Interrupt
	Result    script.Result
}

// Do runs the script.
func (s *Script) Do(tx *partition.Tx, budget int64) (*script.Result, error) {
	return s.Call.RunInto(&s.Result, tx, &s.Interrupt, budget)
}

// LockSet returns the locks for what is known of a script's keys.
func LockSet(f *script.Footprint) partition.LockSet {
	var s partition.LockSet
	for _, p := range f.Points {
		s.AddPoint(partition.Point{Space: p.Space, Key: p.Key, Write: p.Write})
	}
	for _, r := range f.Ranges {
		if r.Part {
			continue // how far it reaches is known when it is read
		}
		s.AddRange(partition.Range{Space: r.Space, Prefix: r.Prefix, Text: r.Text})
	}
	return s
}
