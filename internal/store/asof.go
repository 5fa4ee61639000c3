package store

import (
	"kahuna/internal/hlc"
	"kahuna/internal/kv"
)

// AsOf finds the version of a key that was visible at ts: the newest one with
// Modified at or before ts. It is found when that version was live at ts;
// otherwise the key was absent then. It is ErrHistoryGone when the version
// visible at ts may be one that is no longer kept, which shows
//
//   - between two versions, when the newer does not name the older as its
//     predecessor (Row.Prev);
//   - before the oldest version, when that one has a predecessor;
//   - before the first version of a key, or for a key without any, when ts is
//     before the purge horizon: the key may have had another life, purged
//     since, and revisions begin again after a purge.
//
// The function versions calls its argument for the versions of the key, newest
// first, until it returns false, like Store.Versions. AsOf reads nothing else,
// so it serves versions in memory as well.
func AsOf(versions func(visit func(kv.Row) bool) error, ts, horizon hlc.Timestamp) (row kv.Row, found bool, err error) {
	newerPrev, newer := int64(-1), false // the version just visited
	hit := false
	err = versions(func(r kv.Row) bool {
		if r.Modified > ts {
			newerPrev, newer = r.Prev, true
			return true
		}
		row, hit = r, true
		return false
	})
	switch {
	case err != nil:
		return kv.Row{}, false, err
	case hit && newer && newerPrev != row.Revision:
		return kv.Row{}, false, ErrHistoryGone
	case hit:
		if !row.Live(ts.Millis()) {
			return kv.Row{}, false, nil
		}
		return row, true, nil
	case newerPrev != -1, ts < horizon:
		return kv.Row{}, false, ErrHistoryGone
	}
	return kv.Row{}, false, nil
}
