package main

import (
	"context"
	"errors"
	"time"

	"kahuna"
	"kahuna/client"
)

// connectWait is how long a server may take to say that it serves.
const connectWait = 5 * time.Second

// connect returns the store of a server, which must be there.
func connect(ctx context.Context, urls string) (kahuna.Store, error) {
	if urls == "" {
		urls = client.DefaultURL
	}
	c, err := client.Open(urls, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		var e *kahuna.Error
		if errors.As(err, &e) {
			named := *e
			named.Op, named.Code = "connect", kahuna.CodeOpen
			named.Hint = "start one: kahuna-server --data DIR, or open a store in this process: kahuna-cli --embedded DIR"
			err = &named
		}
		return nil, err
	}
	return c, nil
}
