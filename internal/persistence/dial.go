package persistence

import (
	"context"
	"net"
	"syscall"
	"time"
)

// unanswered is for how long a server may leave what it was sent unacknowledged,
// and about how long one that has vanished is waited for.
const unanswered = 10 * time.Second

// dialer connects to PostgreSQL so that a server that vanishes without a word is
// noticed: by keep-alives while an answer is awaited, and while something is
// being sent by the time that goes by unacknowledged.
type dialer struct{ net.Dialer }

func newDialer() *dialer {
	return &dialer{net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: unanswered / 2, Interval: unanswered / 4, Count: 2},
		Control: func(network, _ string, c syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			return boundUnanswered(c, unanswered)
		},
	}}
}

// DialTimeout is what lib/pq asks for besides; it uses DialContext.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}
