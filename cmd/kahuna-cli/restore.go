package main

import (
	"context"
	"errors"
	"io"
	"os"

	"kahuna"
)

// restoreFlags are those of the command restore.
type restoreFlags struct {
	File string `arg:"" help:"File to read, - for standard input." complete:"file"`
}

// restore makes a store of a backup.
func (c *cli) restore(ctx context.Context) int {
	name := c.flags.Restore.File
	in := c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return c.usage("restore: %v", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return c.usage("restore: %s is a directory, not a file", name)
		}
		in = f
	}
	if err := checkDir(c.flags.Embedded); err != nil {
		c.answerOpen(err)
		return exitOpen
	}
	reads := newInterruptible(ctx, in)
	read := &meter{w: io.Discard, told: c.now(), now: c.now, tell: c.progress("read")}
	info, err := kahuna.Restore(c.flags.Embedded, io.TeeReader(reads, read), nil)
	if ctx.Err() != nil && err != nil {
		err = &kahuna.Error{Op: "restore", Key: c.flags.Embedded, Code: kahuna.CodeCanceled, Message: "interrupted",
			Hint: "nothing was restored", Err: err}
	}
	var e *kahuna.Error
	if errors.As(err, &e) && (e.Code == kahuna.CodeOpen || e.Code == kahuna.CodeBadRequest) {
		c.answerOpen(err)
		return exitOpen
	}
	return c.transferred("restore", name, info, err)
}

// interruptibleReader reads ahead by one piece, so that a reader that waits for
// input does not keep the command from ending.
type interruptibleReader struct {
	ctx    context.Context
	pieces chan piece
	left   []byte
	err    error
}

type piece struct {
	data []byte
	err  error
}

// newInterruptible returns a reader of r that ends with ctx.
func newInterruptible(ctx context.Context, r io.Reader) io.Reader {
	ir := &interruptibleReader{ctx: ctx, pieces: make(chan piece)}
	go func() { // ends with the input, with ctx, or with the process
		for {
			buf := make([]byte, 256<<10)
			n, err := r.Read(buf)
			select {
			case ir.pieces <- piece{buf[:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return ir
}

// Read implements io.Reader.
func (r *interruptibleReader) Read(p []byte) (int, error) {
	if len(r.left) == 0 && r.err == nil {
		select {
		case next := <-r.pieces:
			r.left, r.err = next.data, next.err
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
		}
	}
	n := copy(p, r.left)
	if r.left = r.left[n:]; len(r.left) > 0 {
		return n, nil
	}
	return n, r.err
}
