package persistence

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

var postgresDialect = &dialect{
	name:   "postgres",
	driver: "postgres",
	words: strings.NewReplacer(
		"{max}", "GREATEST",
		"{lock}", "FOR UPDATE",
		"{ours}", "FOR NO KEY UPDATE OF i SKIP LOCKED",
		"{free}", "FOR UPDATE SKIP LOCKED",
		"{unlocked}", `(SELECT r.*, l.ctid AS place FROM {rows} JOIN occurrences l ON l.agent_id = r.agent_id AND l.occurrence_id = r.occurrence_id
			FOR NO KEY UPDATE OF l SKIP LOCKED) AS r`,
		"{now}", "m.now",
		"{found}", "occurrences.ctid = r.place",
		"{wall}", "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
	),
	rowsets:  arrays{},
	numbered: true,
	locks:    true,

	writesInWith: true,
}

// What a session is given unless the URL says otherwise. PostgreSQL's own
// defaults wait for ever. A dead peer is noticed within tcp_user_timeout, and
// what a replica that is cut off had locked is free after
// idle_in_transaction_session_timeout.
var sessionDefaults = map[string]string{
	"statement_timeout":                   "15s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "15s",
	"tcp_user_timeout":                    "10s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
	"default_transaction_isolation":       "read committed",
	"plan_cache_mode":                     "force_generic_plan",
	"application_name":                    "orchestrator",
}

const (
	connectTimeout = 5 * time.Second
	maxConnections = 16
)

// openPostgres makes the pools for a URL; it connects to nothing.
func openPostgres(raw string) (pools, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return pools{}, errors.New("it cannot be read as a URL; what is special in a name or a password is written as %XX") // the parser would repeat it
	}
	if strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "" {
		return pools{}, errors.New("it names no database")
	}
	cfg, err := pq.NewConfig(raw)
	if err != nil {
		return pools{}, withoutSecrets(err, u)
	}
	if cfg.Runtime == nil {
		cfg.Runtime = map[string]string{}
	}
	for name, value := range sessionDefaults {
		if !u.Query().Has(name) {
			cfg.Runtime[name] = value
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return pools{}, withoutSecrets(err, u)
	}
	connector.Dialer(newDialer())
	connect := func(connections int) *sqlx.DB {
		db := sqlx.NewDb(sql.OpenDB(connector), postgresDialect.driver)
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return db
	}
	db := connect(maxConnections)
	snapshot := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	return pools{
		write: newPool(db, postgresDialect, nil),
		read:  newPool(db, postgresDialect, snapshot),
		clock: newPool(connect(1), postgresDialect, nil),
	}, nil
}

// withoutSecrets is what the driver says of a URL, unless that repeats a password.
func withoutSecrets(err error, u *url.URL) error {
	secrets := u.Query()["password"]
	if password, set := u.User.Password(); set {
		secrets = append(secrets, password)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(err.Error(), secret) {
			return errors.New("the driver does not take it")
		}
	}
	return err
}
