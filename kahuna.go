package kahuna

import (
	"context"
	"iter"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/node"
	"kahuna/script"
)

// DB is an open store inside this process. Its methods on keys work on the
// persistent space; Ephemeral returns the other one. It is safe for concurrent
// use.
type DB struct {
	persistent space
	ephemeral  space
	opts       Options
	limits     script.Limits // those of opts
	node       *node.Node
	programs   *programCache
}

var _ Store = (*DB)(nil)

// Open opens the store in the directory dir, and creates it when there is none.
// A store is open in one process at a time. Errors are ErrInUse when another
// process has it, ErrCorrupt when files are damaged, ErrBadRequest when the
// directory is no store and not empty, or opts are out of their bounds, and
// ErrStorage for anything else; nothing was changed then.
//
// There is no way to open a store for reading only. Opening applies what the log
// has and the rows have not, which writes, and two processes cannot share a
// directory; a reader beside the process that has the store would see rows of
// no one moment. Read in View, or restore a backup into a directory of its own.
//
// A store on a full disk is opened to be read: writes get ErrStorage, reads and
// Backup work, the Logger is told.
func Open(dir string, opts *Options) (*DB, error) {
	if dir == "" {
		return nil, badRequest("open", "", "no directory was given", "name one, or use OpenMemory for a store without files")
	}
	return open(dir, opts)
}

// OpenMemory opens an empty store without files: it behaves like one in a
// directory and is gone when it is closed.
func OpenMemory(opts *Options) (*DB, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.fs = vfs.NewMem()
	if o.segment == 0 {
		o.segment = 4 << 20
	}
	return open("memory", &o)
}

func open(dir string, opts *Options) (*DB, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	limits := o.Limits.script().WithDefaults()
	o.Limits = limitsOf(limits)
	if o.AdmissionWait == 0 {
		o.AdmissionWait = 5 * time.Second
	}
	n, err := node.Open(context.Background(), o.node(dir))
	if err != nil {
		return nil, errorOf(err)
	}
	db := &DB{opts: o, limits: limits, node: n}
	db.programs = newProgramCache(o.Programs, &db.limits)
	db.persistent, db.ephemeral = space{db, script.Persistent}, space{db, script.Ephemeral}
	return db, nil
}

// Close ends the store: running scripts that wait are stopped, what was
// ordered becomes durable, and the files are closed. Calls after it fail with
// ErrClosed. Calling it again returns the same error.
func (db *DB) Close() error {
	if err := db.node.Close(); err != nil {
		return callErrorOf("close", "", err)
	}
	return nil
}

// Err returns why the store has stopped writing for good: ErrStorage, or
// ErrCorrupt. It is nil while the store writes, and may be called at any time.
func (db *DB) Err() error { return errorOf(db.node.Err()) }

// Ephemeral returns the ephemeral space: rows in memory, bounded by
// Options.EphemeralBytes, gone when the store is closed, and evicted when
// memory is short.
func (db *DB) Ephemeral() Space { return &db.ephemeral }

// Get reads key. ok is false when the key does not exist.
func (db *DB) Get(ctx context.Context, key string) (e Entry, ok bool, err error) {
	return db.persistent.Get(ctx, key)
}

// Exists reports whether key exists.
func (db *DB) Exists(ctx context.Context, key string) (bool, error) {
	return db.persistent.Exists(ctx, key)
}

// Set writes key. A condition that does not hold is no error: Done is false.
func (db *DB) Set(ctx context.Context, key, value string, o *SetOptions) (WriteResult, error) {
	return db.persistent.Set(ctx, key, value, o)
}

// Delete deletes key. Done is false when it did not exist.
func (db *DB) Delete(ctx context.Context, key string) (WriteResult, error) {
	return db.persistent.Delete(ctx, key)
}

// Extend makes key end ttl from now, earlier or later than before; 0 makes it
// live for ever. Done is false when it does not exist.
func (db *DB) Extend(ctx context.Context, key string, ttl time.Duration) (WriteResult, error) {
	return db.persistent.Extend(ctx, key, ttl)
}

// Bucket iterates over the keys bucket + "/" + rest that have no slash in rest,
// in the order of their bytes; RangeOptions says what of one moment is. One
// trailing slash of bucket is ignored.
func (db *DB) Bucket(ctx context.Context, bucket string, o *RangeOptions) iter.Seq2[Entry, error] {
	return db.persistent.Bucket(ctx, bucket, o)
}

// Prefix iterates over the keys that start with prefix, in the order of their
// bytes; "" is every key. See RangeOptions.
func (db *DB) Prefix(ctx context.Context, prefix string, o *RangeOptions) iter.Seq2[Entry, error] {
	return db.persistent.Prefix(ctx, prefix, o)
}

// Range iterates over the keys from start on, and before end, in the order of
// their bytes. An empty start or end is no bound. See RangeOptions.
func (db *DB) Range(ctx context.Context, start, end string, o *RangeOptions) iter.Seq2[Entry, error] {
	return db.persistent.Range(ctx, start, end, o)
}

// HoldHistory keeps the history from since on readable for longer than
// Options.HistoryAge, until it is called again: with a later time, or with the
// zero Time, which holds nothing. What was collected before does not come back.
// Options.HistoryRevisions bounds the revisions of a key all the same, and the
// ephemeral space its bytes. A store that is opened again holds nothing.
func (db *DB) HoldHistory(since time.Time) {
	ms := int64(-1)
	if !since.IsZero() {
		ms = max(since.UnixMilli(), 0)
	}
	db.node.HoldHistory(ms)
}
