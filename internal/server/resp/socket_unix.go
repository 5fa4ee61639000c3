//go:build unix

package resp

import (
	"os"
	"syscall"

	"github.com/panjf2000/gnet/v2"
)

// writeNow writes what the socket takes without waiting.
func writeNow(g gnet.Conn, b []byte) (int, error) {
	for {
		n, err := syscall.Write(g.Fd(), b)
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}

// duplicate returns another descriptor of the socket, which does not block.
func duplicate(g gnet.Conn) (*os.File, error) {
	fd, err := g.Dup()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "redis connection"), nil
}

// closeWrite tells the other side that no more will come.
func closeWrite(g gnet.Conn) error { return syscall.Shutdown(g.Fd(), syscall.SHUT_WR) }
