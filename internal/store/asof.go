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
//   - between two versions, when the newer does not name the older as the one
//     before it at that time (Row.Before): it was pruned, or the newer followed
//     a norev version, and ts is when that one was visible already;
//   - before the oldest version, when that one has a predecessor;
//   - before the first version of a key, or for a key without any, when ts is
//     before the purge horizon: the key may have had another life, purged
//     since, and revisions begin again after a purge.
//
// The function versions calls its argument for the versions of the key, newest
// first, until it returns false, like Store.Versions. AsOf reads nothing else,
// so it serves versions in memory as well.
func AsOf(versions func(visit func(kv.Row) bool) error, ts, horizon hlc.Timestamp) (row kv.Row, found bool, err error) {
	// visible is the revision that is looked for, as the version just visited
	// tells it; kept is false when that is known to be gone.
	visible, kept := int64(-1), true
	newest, hit := true, false
	err = versions(func(r kv.Row) bool {
		if r.Modified > ts {
			visible, kept = r.Before(ts)
			newest = false
			return true
		}
		row, hit = r, true
		return false
	})
	switch {
	case err != nil:
		return kv.Row{}, false, err
	case !kept, !newest && hit && visible != row.Revision, !hit && visible != -1, !hit && ts < horizon:
		return kv.Row{}, false, ErrHistoryGone
	case !hit || !row.Live(ts.Millis()):
		return kv.Row{}, false, nil
	}
	return row, true, nil
}
