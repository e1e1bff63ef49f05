package redisstore

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"denwa/providers"
)

// Type is where a store keeps things.
type Type string

// The types of store.
const (
	TypeRedis    Type = "redis"
	TypeEmbedded Type = "embedded"
)

// Config is where and how to reach the store.
type Config struct {
	// Kind of store: redis, or embedded for trying Denwa out. The embedded store keeps nothing when the process ends.
	Type Type `yaml:"type"`
	// Addresses of the Redis servers, host:port. One for a single server, the sentinels with sentinel_master, or some nodes of a cluster.
	Addresses []string `yaml:"addresses"`
	// User name for Redis ACLs; empty for none.
	Username string `yaml:"username"`
	// Password of Redis; empty for none.
	Password string `yaml:"password" secret:"true"`
	// Encrypted connections to Redis.
	TLS TLSConfig `yaml:"tls"`
	// Name of the master that Redis Sentinel watches. Set it to use Sentinel.
	SentinelMaster string `yaml:"sentinel_master"`
	// Whether the addresses are nodes of a Redis Cluster.
	Cluster bool `yaml:"cluster"`
	// User name of the sentinels, which have their own; empty for none.
	SentinelUsername string `yaml:"sentinel_username"`
	// Password of the sentinels, which have their own; empty for none.
	SentinelPassword string `yaml:"sentinel_password" secret:"true"`
	// How many replicas must have a change before a code is sent or a caller told; with fewer, requests are answered 503. 0 doesn't ask them, and what the master had for itself is lost with it.
	Replicas int `yaml:"replicas"`
	// Longest wait for one answer from Redis.
	Timeout time.Duration `yaml:"timeout"`
	// Most connections to each Redis server.
	PoolSize int `yaml:"pool_size"`
}

// TLSConfig is how to encrypt connections.
type TLSConfig struct {
	// Whether to use TLS.
	Enabled       bool `yaml:"enabled"`
	providers.TLS `yaml:",inline"`
}

// DefaultConfig is what holds where the operator says nothing.
func DefaultConfig() Config {
	return Config{
		Type:      TypeRedis,
		Addresses: []string{"127.0.0.1:6379"},
		Timeout:   2 * time.Second,
		PoolSize:  64,
	}
}

// Validate reports every mistake in c.
func (c Config) Validate(report func(field, problem string)) {
	switch c.Type {
	case TypeEmbedded:
		return
	case TypeRedis:
	default:
		report("type", "must be redis or embedded")
		return
	}
	if len(c.Addresses) == 0 {
		report("addresses", "needs the address of a Redis server, such as 127.0.0.1:6379")
	}
	for i, a := range c.Addresses {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			report(fmt.Sprintf("addresses[%d]", i), "must be host:port, such as 127.0.0.1:6379")
		}
	}
	if c.Cluster && c.SentinelMaster != "" {
		report("sentinel_master", "can't be set together with cluster")
	}
	if len(c.Addresses) > 1 && !c.Cluster && c.SentinelMaster == "" {
		report("addresses", "has several servers: set cluster, or sentinel_master")
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		report("replicas", "must be between 0 and 5")
	}
	if c.Timeout < 10*time.Millisecond || c.Timeout > 30*time.Second {
		report("timeout", "must be between 10ms and 30s")
	}
	if c.PoolSize < 1 || c.PoolSize > 10000 {
		report("pool_size", "must be between 1 and 10000")
	}
	c.TLS.Validate(func(field, problem string) { report("tls."+field, problem) })
}

// Connect returns a client of the store that c describes, and what closes it. A
// client of Redis connects when it is first used.
func Connect(c Config) (client redis.UniversalClient, closer func() error, err error) {
	return ConnectSeen(c, &providers.Certificates{})
}

// ConnectSeen is [Connect] that tells seen of the certificates of Redis.
func ConnectSeen(c Config, seen *providers.Certificates) (client redis.UniversalClient, closer func() error, err error) {
	if c.Type == TypeEmbedded {
		e := StartEmbedded()
		client = e.Client()
		return client, func() error { return errors.Join(client.Close(), e.Close()) }, nil
	}
	o := &redis.UniversalOptions{
		Addrs: c.Addresses, Username: c.Username, Password: c.Password,
		MasterName: c.SentinelMaster, IsClusterMode: c.Cluster,
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		DialTimeout: c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, PoolTimeout: c.Timeout,
		PoolSize: c.PoolSize,
	}
	if c.TLS.Enabled {
		t, err := c.TLS.Load("", seen)
		if err != nil {
			return nil, nil, fmt.Errorf("read store.%w", err)
		}
		o.TLSConfig = t
	}
	client = newClient(o)
	if c.Replicas > 0 {
		confirm(client, c.Replicas, c.Timeout/2) // the rest is for the change itself
	}
	return client, client.Close, nil
}

// newClient sets what holds for every client. Nothing is retried: a script
// whose answer was lost may have run, and running it again would count a check
// twice.
//
// go-redis would write to stderr in a form of its own, a line for each failed
// dial. What fails is returned as well, and logged by whoever asked.
func newClient(o *redis.UniversalOptions) redis.UniversalClient {
	logging.Disable()
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ReadBufferSize, o.WriteBufferSize = 8<<10, 8<<10
	o.PipelinePoolSize = -1 // pipelines use the pool too, so its size is all there is
	client := redis.NewUniversalClient(o)
	client.AddHook(newTraceHook())
	if cluster, ok := client.(*redis.ClusterClient); ok {
		cluster.AddHook(once{cluster})
	}
	return client
}
