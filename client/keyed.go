package client

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"kahuna"
)

// keyed reports whether writes of single keys are sent as scripts, which carry
// an idempotency key. Those of the ephemeral space are not: a key would have
// them wait for the disk.
func (s *space) keyed() bool { return !s.ephemeral && !s.c.opts.NoIdempotencyKeys }

// setByScript sets a key with a script.
func (s *space) setByScript(ctx context.Context, key, value string, o *kahuna.SetOptions) (kahuna.WriteResult, error) {
	params := kahuna.Params{"value": value}
	conditions := ""
	clause := func(on bool, text, name string, x any) {
		if on {
			conditions += " " + text
			if name != "" {
				conditions += " @" + name
				params[name] = x
			}
		}
	}
	clause(o.NX, "nx", "", nil)
	clause(o.XX, "xx", "", nil)
	if o.Equals != nil {
		clause(true, "cmp", "equals", *o.Equals)
	}
	if o.Revision != nil {
		clause(true, "cmprev", "revision", *o.Revision)
	}
	clause(o.NoHistory, "norev", "", nil)
	if o.TTL > 0 {
		params["ttl"] = milliseconds(o.TTL)
	}
	set := "set @key @value" + conditions
	switch {
	case o.KeepTTL && o.TTL > 0:
		set = "if exists @key then " + set + " keepttl else " + set + " ex @ttl end"
	case o.KeepTTL:
		set += " keepttl"
	case o.TTL > 0:
		set += " ex @ttl"
	}
	return s.byScript(ctx, "set", key, set, params)
}

var ephemeralCommands = strings.NewReplacer("set @key", "eset @key", "exists @key", "eexists @key")

// byScript writes a key with a script, whose last command is the write.
func (s *space) byScript(ctx context.Context, op, key, source string, params kahuna.Params) (kahuna.WriteResult, error) {
	if err := checkKey(op, key); err != nil {
		return kahuna.WriteResult{}, err
	}
	params["key"] = key
	if s.ephemeral {
		source = ephemeralCommands.Replace(source)
	}
	res, err := s.c.Run(ctx, source, params, nil)
	if err != nil {
		return failedWrite(err), named(err, op, key)
	}
	w := kahuna.WriteResult{Revision: res.Revision()}
	switch res.Type {
	case kahuna.TypeSet, kahuna.TypeDeleted:
		w.Done, w.Time = true, res.First().Modified
	}
	return w, nil
}

// extendScript answers with the revision and the time: the result of extend has
// no time.
const extendScript = `extend @key @ttl
if not extended then else return [rev(get @key), now()] end`

// extendByScript extends the life of a key with a script.
func (s *space) extendByScript(ctx context.Context, key string, ttl time.Duration) (kahuna.WriteResult, error) {
	if err := checkKey("extend", key); err != nil {
		return kahuna.WriteResult{}, err
	}
	res, err := s.c.Run(ctx, extendScript, kahuna.Params{"key": key, "ttl": milliseconds(ttl)}, nil)
	if err != nil {
		return failedWrite(err), named(err, "extend", key)
	}
	if len(res.Entries) != 2 {
		return kahuna.WriteResult{Revision: res.Revision()}, nil
	}
	revision, err := strconv.ParseInt(res.Entries[0].Value, 10, 64)
	ms, err2 := strconv.ParseInt(res.Entries[1].Value, 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return kahuna.WriteResult{}, (&request{op: "extend", key: key}).unreadable(err)
	}
	return kahuna.WriteResult{Done: true, Revision: revision, Time: time.UnixMilli(ms)}, nil
}

// failedWrite is what a write returns beside an error: the embedded store has no
// revision then, and nothing at all for a write that makes no sense.
func failedWrite(err error) kahuna.WriteResult {
	if errors.Is(err, kahuna.ErrBadKey) || errors.Is(err, kahuna.ErrBadRequest) || errors.Is(err, kahuna.ErrLimit) {
		return kahuna.WriteResult{}
	}
	return kahuna.WriteResult{Revision: -1}
}

// milliseconds returns d in whole milliseconds, rounded up.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// named returns the error of a script or operation as that of a call.
func named(err error, op, key string) error {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		return err
	}
	n := *e
	n.Op, n.Key, n.Line, n.Column, n.Source = op, key, 0, 0, ""
	if n.Code == kahuna.CodeBadParameter { // all others are right
		n.Code = kahuna.CodeBadKey
	}
	return &n
}
