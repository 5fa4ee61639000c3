package node

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"kahuna/internal/raftlog"
	"kahuna/internal/store"
)

// A snapshot replaces the rows and the log of a store, which no file system does
// in one step. So it is installed with an intent that survives a crash:
//
//  1. The rows are made in receivedName, and synced. A crash before they are
//     complete leaves the store as it was; Open removes them.
//  2. receivedName is renamed to installName: that is the intent. From here on
//     the snapshot is installed, by this process or by the next Open.
//  3. The log is reset to where the rows are, in one frame.
//  4. The old rows are removed, and the new ones take their name.
//
// Each of steps 3 and 4 may be begun again wherever a crash left it: a log that
// begins where the rows are was reset, and old rows are there until the new ones
// have their name (Invariant SNAP-1).
const (
	receivedName = rowsDir + ".received"
	installName  = rowsDir + ".install"
)

// markName is under what name installed rows keep their place in the log.
const markName = "snapshot"

var errNoMark = errors.New("rows to be installed without their place in the log")

// Install makes the rows of a snapshot those of the store in o.Dir, which must
// not be open, and has its log begin behind at, which must be the applied index
// of the rows and a later one than any that is in the store. rows hands them
// out as store.Export did. After an error the store is as it was, or the next
// Open finishes what was begun.
//
// Nobody sends a snapshot to a store of one voter (single-node): its replica
// never orders one, so that a running node need not be able to take it.
func Install(o Options, at raftlog.Mark, rows func(add func(key, value []byte) error) error) error {
	o = o.withDefaults()
	if _, err := makeDir(o.FS, o.Dir); err != nil {
		return err
	}
	own, err := takeOwnership(o.FS, o.Dir)
	if err != nil {
		return err
	}
	if err = finishInstall(o); err == nil {
		if err = receive(o, at, rows); err == nil {
			err = finishInstall(o)
		}
	}
	return errors.Join(err, own.release())
}

// rowsOptions are those of rows under a name that nobody uses yet.
func (o *Options) rowsOptions(name string, id uint64) store.Options {
	return store.Options{FS: orderedFS{o.FS}, Dir: o.FS.PathJoin(o.Dir, name), ID: id, CacheBytes: o.BlockCacheBytes,
		MemTableBytes: o.MemTableBytes, HistoryRevisions: o.HistoryRevisions, Logger: o.Logger}
}

// receive does steps 1 and 2.
func receive(o Options, at raftlog.Mark, rows func(add func(key, value []byte) error) error) error {
	// The log bears the ID of the store, and the new rows get it too.
	if err := createRows(o.rowsOptions(rowsDir, newStoreID())); err != nil {
		return err
	}
	old, err := store.Open(o.rowsOptions(rowsDir, 0))
	if err != nil {
		return err
	}
	applied, _, err := old.Applied(groupID)
	if err := errors.Join(err, old.Close()); err != nil {
		return err
	}
	if applied >= at.Index {
		return fmt.Errorf("a snapshot at %d is older than the rows, which are at %d", at.Index, applied)
	}
	so := o.rowsOptions(receivedName, old.ID())
	found, err := store.Continue(so, rows)
	if err != nil {
		return err
	}
	if found.Index != at.Index {
		return fmt.Errorf("a snapshot at %d has rows at %d", at.Index, found.Index)
	}
	st, err := store.Open(so)
	if err != nil {
		return err
	}
	mark := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, at.Index), at.Term)
	if err := errors.Join(st.SetMeta(markName, mark), st.Close()); err != nil {
		return err
	}
	if err := o.FS.Rename(so.Dir, o.FS.PathJoin(o.Dir, installName)); err != nil {
		return err
	}
	return syncDir(o.FS, o.Dir)
}

// installing reports whether there is a snapshot to be installed.
func installing(fs vfs.FS, dir string) bool {
	_, err := fs.Stat(fs.PathJoin(dir, installName))
	return err == nil
}

// finishInstall does steps 3 and 4 of a snapshot that was received, and removes
// what there is of one that was not received completely. The directory is
// locked.
func finishInstall(o Options) error {
	fs := o.FS
	if !installing(fs, o.Dir) {
		received := fs.PathJoin(o.Dir, receivedName)
		if _, err := fs.Stat(received); err != nil {
			return nil
		}
		return fs.RemoveAll(received)
	}
	st, err := store.Open(o.rowsOptions(installName, 0))
	if err != nil {
		return err
	}
	mark, err := st.Meta(markName)
	if err == nil && len(mark) != 16 {
		err = errNoMark
	}
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	at := raftlog.Mark{Index: binary.BigEndian.Uint64(mark), Term: binary.BigEndian.Uint64(mark[8:])}
	if err := resetLog(o, st.ID(), at); err != nil {
		return err
	}
	// The name must be free on the disk before it is given again.
	rows := fs.PathJoin(o.Dir, rowsDir)
	if err := errors.Join(fs.RemoveAll(rows), syncDir(fs, o.Dir)); err != nil {
		return err
	}
	if err := fs.Rename(fs.PathJoin(o.Dir, installName), rows); err != nil {
		return err
	}
	return syncDir(fs, o.Dir)
}

// resetLog has the log begin behind at, unless it does so already.
func resetLog(o Options, storeID uint64, at raftlog.Mark) error {
	l, err := raftlog.Open(raftlog.Options{FS: o.FS, Dir: o.FS.PathJoin(o.Dir, logDir), SegmentBytes: o.SegmentBytes,
		StoreID: storeID, DisableSync: o.DisableSync, Logger: o.Logger})
	if err != nil {
		return err
	}
	g := l.Group(groupID)
	first, err := g.FirstIndex()
	hard, _, _ := g.InitialState()
	if err == nil && first <= at.Index {
		// Who knows of an entry of a term is in that term at least, and has not
		// voted in one that is new to it.
		term, vote := hard.GetTerm(), hard.GetVote()
		if term < at.Term {
			term, vote = at.Term, 0
		}
		commit := max(hard.GetCommit(), at.Index)
		done := make(chan error, 1)
		l.Append(raftlog.Write{Group: groupID, Reset: at, MustSync: true,
			HardState: &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}, Done: func(err error) { done <- err }})
		err = <-done
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	return syncDir(o.FS, o.Dir)
}
