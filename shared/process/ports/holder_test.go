package ports

import (
	"net"
	"runtime"
	"sync"
	"testing"
)

// Sockets that come and go beside it do not hide the one that holds a port. (Those of
// tcp do not without looking again either.)
func TestSocketAmongOthers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("holders are known on Linux only")
	}
	open := func() (net.PacketConn, error) { return net.ListenPacket("udp4", "127.0.0.1:0") }
	var held []net.PacketConn
	for range 300 { // many pages of the kernel's table
		c, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(done)
	for range 2 {
		others.Go(func() {
			for {
				var some []net.PacketConn
				for range 50 {
					if c, err := open(); err == nil {
						some = append(some, c)
					}
				}
				for _, c := range some {
					c.Close()
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	missed := 0
	for _, c := range held {
		if len(socketsOf("udp", c.LocalAddr().(*net.UDPAddr).Port)) == 0 {
			missed++
		}
	}
	if missed > 0 {
		t.Errorf("%d of %d sockets were not found", missed, len(held))
	}
}
