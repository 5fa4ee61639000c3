package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"kahuna"
)

// respSubject is a server that is asked over the Redis protocol: EVALSHA, with
// EVAL when the server does not know the script.
type respSubject struct{ c *redis.Client }

func openRESP(ctx context.Context, addr string, callers int) (subject, error) {
	c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: callers, MinIdleConns: callers, DisableIdentity: true, MaxRetries: -1})
	if err := c.Ping(ctx).Err(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("no server answers at redis://%s: %w; kahuna-server starts one", addr, err)
	}
	return &respSubject{c}, nil
}

func (t *respSubject) Close() error { return t.c.Close() }

func (t *respSubject) Compile(source string) (kahuna.Program, error) {
	return &respProgram{remoteProgram: remoteProgram{source: source}, c: t.c}, nil
}

// respProgram is a script with its parameters by name turned into one for EVAL,
// where they have numbers and are texts.
type respProgram struct {
	remoteProgram
	c      *redis.Client
	once   sync.Once
	names  []string // of the parameters, by number
	script *redis.Script
}

// parameter is one in a script.
var parameter = regexp.MustCompile(`@[A-Za-z_]\w*`)

// convert makes the script for parameters of such types.
func (p *respProgram) convert(params kahuna.Params) {
	source := parameter.ReplaceAllStringFunc(p.source, func(found string) string {
		name := found[1:]
		x, ok := params[name]
		if !ok {
			return found
		}
		if list, ok := x.([]string); ok {
			return literal(list)
		}
		i := slices.Index(p.names, name)
		if i < 0 {
			i = len(p.names)
			p.names = append(p.names, name)
		}
		if _, text := x.(string); text {
			return fmt.Sprint("@arg", i+1)
		}
		return fmt.Sprint("(to_int(@arg", i+1, "))")
	})
	p.script = redis.NewScript(strings.TrimSpace(source))
}

func (p *respProgram) Run(ctx context.Context, params kahuna.Params, _ *kahuna.RunOptions) (*kahuna.Result, error) {
	p.once.Do(func() { p.convert(params) })
	args := make([]any, len(p.names))
	for i, name := range p.names {
		args[i] = params[name]
	}
	err := p.script.Run(ctx, p.c, nil, args...).Err()
	if err == redis.Nil {
		err = nil
	}
	return nil, err
}
