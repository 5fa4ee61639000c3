package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// child is a side in its process, as its parent sees it. Between its turns the
// process is stopped.
type child struct {
	spec  sideSpec
	ready sample

	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
	stderr  bytes.Buffer
}

// startChild begins one and waits until it is ready. It dies with ctx.
func startChild(ctx context.Context, s sideSpec) (_ *child, err error) {
	spec, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{spec: s, cmd: exec.CommandContext(ctx, self, "side", string(spec))}
	c.cmd.Args[0] = "kahuna-bench"
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = dieWithParent()
	c.cmd.WaitDelay = time.Second
	if s.Processors > 0 {
		c.cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(s.Processors))
	}
	if c.orders, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.answers = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if c.ready, err = c.answer(ctx); err != nil {
		return nil, errors.Join(err, c.kill())
	}
	return c, stopProcess(c.cmd.Process)
}

// turn has the side measure for d.
func (c *child) turn(ctx context.Context, o order) (sample, error) {
	if err := continueProcess(c.cmd.Process); err != nil {
		return sample{}, err
	}
	if err := json.NewEncoder(c.orders).Encode(o); err != nil {
		return sample{}, c.failed(ctx, err)
	}
	got, err := c.answer(ctx)
	if err != nil {
		return sample{}, err
	}
	if got.Ops == 0 {
		return sample{}, fmt.Errorf("%s: nothing was done in a turn of %v", c.spec.Name, o.Turn)
	}
	return got, stopProcess(c.cmd.Process)
}

func (c *child) answer(ctx context.Context) (sample, error) {
	var got sample
	if err := c.answers.Decode(&got); err != nil {
		return got, c.failed(ctx, err)
	}
	if got.Error != "" {
		return got, fmt.Errorf("%s: %s", c.spec.Name, got.Error)
	}
	return got, nil
}

// failed says why the process does not talk any more.
func (c *child) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%s: its process ended: %w %s", c.spec.Name, err, strings.TrimSpace(c.stderr.String()))
}

// close lets the side end in good order, its store closed.
func (c *child) close() error {
	err := errors.Join(continueProcess(c.cmd.Process), c.orders.Close(), c.cmd.Wait())
	if err != nil {
		return fmt.Errorf("%s: %w %s", c.spec.Name, err, strings.TrimSpace(c.stderr.String()))
	}
	return nil
}

// kill ends the process where it is, if it has not ended.
func (c *child) kill() error {
	if c.cmd.ProcessState != nil {
		return nil
	}
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = c.cmd.Wait() // says that it was killed
	return err
}
