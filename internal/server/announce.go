package server

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/orlop/orlop/internal/config"
)

// announce tells a person how to use the server that just started.
func (s *Server) announce(out io.Writer) error {
	var b strings.Builder
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	for _, addr := range s.Addresses() {
		fmt.Fprintf(&b, "Orlop serves %s://%s\n", scheme, reachable(addr))
	}
	fmt.Fprintf(&b, "Data is kept in %s\n", s.dir.path)
	if s.caFile != "" {
		s.announceAuthority(&b)
	}
	if s.newPassword != "" {
		fmt.Fprintf(&b, "\nThe user admin was created. Its password is shown only now:\n\n    %s\n", s.newPassword)
	}
	s.announceCommands(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

func (s *Server) announceAuthority(b *strings.Builder) {
	fmt.Fprintf(b, "\nThe certificates come from an authority of this server's own. To trust it in this shell, or on this machine:\n\n"+
		"    export SSL_CERT_FILE=%[1]s\n"+
		"    sudo cp %[1]s /usr/local/share/ca-certificates/orlop.crt && sudo update-ca-certificates\n", s.caFile)
}

// announceCommands prints commands that work as they stand.
func (s *Server) announceCommands(b *strings.Builder) {
	addr := reachable(s.Addresses()[0])
	host, _, _ := net.SplitHostPort(addr)
	flags := ""
	switch {
	case s.caFile != "":
		flags = " --ca-file " + s.caFile
	case s.tls == nil && !config.IsLoopback(host):
		flags = " --plain-http"
	}
	fmt.Fprintf(b, "\nSign in and push:\n\n"+
		"    %[3]s login %[1]s --username admin%[2]s\n"+
		"    echo \"Here is an artifact!\" > artifact.txt\n"+
		"    %[3]s push %[1]s/samples/artifact:1.0%[2]s ./artifact.txt:application/vnd.unknown.layer.v1+txt\n",
		addr, flags, clientProgram())
}

// clientProgram is how to call the client: by its name, or by its path if it is
// found beside this program only.
func clientProgram() string {
	const name = "orlop"
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	self, err := os.Executable()
	if err != nil {
		return name
	}
	beside := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(beside); err != nil {
		return name
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, beside); err == nil && !strings.HasPrefix(rel, "..") {
			return "." + string(filepath.Separator) + rel
		}
	}
	return beside
}

// reachable turns an address that stands for all addresses into one that a
// client can connect to.
func reachable(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsUnspecified() {
		return addr
	}
	return fmt.Sprintf("localhost:%d", ap.Port())
}
