package s3

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

const (
	dialTimeout = 10 * time.Second
	idleConn    = 30 * time.Second // that is kept for the next request
)

// connect makes the client, and the one that signs URLs for others.
func connect(ctx context.Context, o Options) (*s3.Client, *s3.PresignClient, func(), error) {
	cfg, err := config.LoadDefaultConfig(ctx, settings(o)...)
	if err != nil {
		return nil, nil, nil, err
	}
	if cfg.Region == "" {
		if o.Endpoint == "" {
			return nil, nil, nil, errors.New("no region: give it with the bucket, or in AWS_REGION")
		}
		cfg.Region = "us-east-1" // what stores without regions expect
	}
	transport := newTransport(o.Stall)
	cfg.HTTPClient = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	client := s3.NewFromConfig(cfg, o.apply(o.Endpoint))
	public := client
	if o.PublicEndpoint != "" {
		public = s3.NewFromConfig(cfg, o.apply(o.PublicEndpoint))
	}
	return client, s3.NewPresignClient(public), transport.CloseIdleConnections, nil
}

func settings(o Options) []func(*config.LoadOptions) error {
	set := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(r *retry.StandardOptions) { r.MaxAttempts, r.MaxBackoff = o.Attempts, o.Backoff })
		}),
		config.WithLogger(logging.Nop{}), // an error says it all
		// Checksums are ours: those of the SDK come in a form that many stores
		// do not know. What is read is checked by blob.Reader.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if o.Region != "" {
		set = append(set, config.WithRegion(o.Region))
	}
	if o.KeyID != "" {
		set = append(set, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(o.KeyID, o.Secret, "")))
	}
	return set
}

func (o Options) apply(endpoint string) func(*s3.Options) {
	return func(c *s3.Options) {
		if endpoint != "" {
			c.BaseEndpoint = &endpoint
		}
		c.UsePathStyle = o.PathStyle
		// The checksum protects the content, so that it need not be hashed once
		// more for the signature.
		c.APIOptions = append(c.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// noRedirect leaves redirects to the SDK, whose requests are signed for one host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newTransport(stall time.Duration) *http.Transport {
	dialer := net.Dialer{Timeout: dialTimeout}
	transport := new(http.Transport)
	*transport = http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &conn{c, stall, transport.CloseIdleConnections}, nil
		},
		TLSHandshakeTimeout:   dialTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       idleConn,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
	return transport
}

// conn fails when nothing has moved for the time of a stall. A write puts off
// the deadline of the read that waits for the answer, too. What has let one
// connection stall may have forgotten the idle ones as well, so that these are
// not used again.
type conn struct {
	net.Conn
	stall   time.Duration
	stalled func()
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	return n, c.noted(err)
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	return n, c.noted(err)
}

// noted passes an error on, after what a stall asks for.
func (c *conn) noted(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.stalled()
	}
	return err
}
