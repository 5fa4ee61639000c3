package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kahuna/internal/backup"
	"kahuna/internal/store"
	"kahuna/internal/txn"
	"kahuna/script"
)

// CodeBackup is the code of a backup that could not be written, or that can
// not be restored.
const CodeBackup script.Code = "backup"

// BackupInfo tells what is in a backup.
type BackupInfo struct {
	backup.Header
	backup.Summary
	Bytes int64 // of the stream
}

// Backup writes the persistent space, as it is after one entry of the log, to
// w. Everything acknowledged before the call is in it (Invariant BACKUP-2).
// Scripts run on meanwhile. A node that stopped writing can be backed up, as
// long as it can be sure to have everything.
//
// One goroutine reads rows and makes frames; it never waits for w without
// watching for the end of the node, so that a stuck w does not keep Close
// waiting. The caller's goroutine writes them. At most two frames are between
// them.
func (n *Node) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	if err := n.applyAcknowledged(ctx); err != nil {
		return BackupInfo{}, err
	}
	info := BackupInfo{Header: backup.Header{RowsFormat: store.FormatVersion, TakenMs: n.Now()}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := feed{frames: make(chan []byte, 1), ended: ctx.Done(), closing: n.closing}
	read := make(chan error, 1)
	go func() {
		defer close(f.frames)
		read <- n.export(&f, &info)
	}()
	var failed error
	ended := false
	for frame := range f.frames {
		if ended = ended || ctx.Err() != nil; ended {
			continue
		}
		if failed = writeAll(w, frame); failed != nil {
			cancel()
		}
	}
	err := <-read
	switch {
	case failed != nil:
		return BackupInfo{}, &script.Error{Op: "backup", Code: CodeBackup, Err: failed,
			Message: fmt.Sprintf("what was to take the backup failed: %v", failed),
			Hint:    "the store is as it was; what was written so far is no backup"}
	case ended || errors.Is(err, errFeedEnded):
		return BackupInfo{}, n.backupEnded(ctx)
	case err != nil:
		return BackupInfo{}, backupReadError(err)
	}
	return info, nil
}

func (n *Node) export(f *feed, info *BackupInfo) error {
	w, err := backup.NewWriter(f, info.Header)
	if err != nil {
		return err
	}
	contents, err := n.store.Export(w.Add)
	if err != nil {
		return err
	}
	info.Summary, err = w.Close(backup.Summary{Index: contents.Index, Time: contents.Time, Rows: contents.Rows,
		Versions: contents.Versions, Results: contents.Results})
	info.Bytes = w.Bytes()
	return err
}

// applyAcknowledged waits until the store shows everything that was
// acknowledged before the call. Answers go out and their entries go to the
// applier under the group's mutex: what goes to it now comes behind them.
func (n *Node) applyAcknowledged(ctx context.Context) error {
	reached := make(chan struct{})
	n.group.mu.Lock()
	n.applier.put(applyItem{group: n.group, reached: reached})
	n.group.mu.Unlock()
	select {
	case <-n.closing: // the applier may be gone
		return txn.ErrClosed
	default:
	}
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
	case <-n.closing:
	case <-n.applier.done:
		if !n.isClosing() {
			return backupReadError(n.Err())
		}
	}
	return n.backupEnded(ctx)
}

// backupEnded is the error of a backup that was ended from outside.
func (n *Node) backupEnded(ctx context.Context) error {
	if n.isClosing() {
		return txn.ErrClosed
	}
	return &script.Error{Op: "backup", Code: script.CodeCanceled, Err: ctx.Err(),
		Message: ctx.Err().Error(), Hint: "what was written so far is no backup"}
}

func backupReadError(err error) error {
	e := &script.Error{Op: "backup", Code: script.CodeStorage, Err: err,
		Message: fmt.Sprintf("the store cannot be read completely: %v", err),
		Hint:    "close the store and open it again; restore an earlier backup if that fails"}
	switch {
	case errors.Is(err, store.ErrClosed):
		return txn.ErrClosed
	case errors.Is(err, store.ErrCorrupt):
		e.Code = script.CodeCorrupt
	}
	return e
}

// errFeedEnded ends the reading of a backup that nobody takes any more.
var errFeedEnded = errors.New("backup ended")

// feed takes what a backup.Writer writes to another goroutine.
type feed struct {
	frames         chan []byte
	ended, closing <-chan struct{}
}

// Write implements io.Writer. It copies p.
func (f *feed) Write(p []byte) (int, error) {
	select { // or an end could be missed for ever
	case <-f.ended:
		return 0, errFeedEnded
	case <-f.closing:
		return 0, errFeedEnded
	default:
	}
	select {
	case f.frames <- append([]byte(nil), p...):
		return len(p), nil
	case <-f.ended:
	case <-f.closing:
	}
	return 0, errFeedEnded
}

func writeAll(w io.Writer, p []byte) error {
	k, err := w.Write(p)
	if err == nil && k < len(p) {
		return io.ErrShortWrite
	}
	return err
}
