"""The SQL door under a few hundred statements: an answer or one line, nothing leaks, nothing is written."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import QueryError
from pipeline.warehouse.adhoc import asked, confined

HIDDEN = "the-secret-of-this-test"

# {here} is a folder that exists and holds schema.sql, load.sql, x.csv, x.parquet and x.db; {gone} is one that does not exist.
REFUSED = """
import database '{here}'
IMPORT DATABASE '{here}'
/* why */ import database '{here}'
select 1; import database '{here}'
explain import database '{here}'
export database '{here}/out'
export database '{here}/out' (format parquet)
attach '{here}/x.db'
attach '{here}/x.db' as other (read_only)
attach or replace '{here}/x.db' as lake
detach lake
use memory
copy items to '{here}/out.csv'
copy (select 1) to '{here}/out.parquet' (format parquet)
copy items from '{here}/x.csv'
copy from database lake to memory
install httpfs
install '{here}/x.duckdb_extension'
force install httpfs
load httpfs
load '{here}/x.duckdb_extension'
update extensions
pragma database_list
pragma version
pragma show_tables
pragma table_info('items')
pragma import_database('{here}')
pragma enable_profiling
pragma add_parquet_key('a', '0123456789112345')
call pragma_version()
call duckdb_settings()
call lake.set_option('x', 1)
call ducklake_expire_snapshots('lake')
set memory_limit = '64GB'
set enable_external_access = true
set allow_unsigned_extensions = true
set variable x = 1
reset memory_limit
reset all
prepare q as select 1
execute q
execute q(1)
deallocate q
create temp table t as select 1
create table t (i int)
create or replace view v as select 1
create temp view v as select 1
create macro f(x) as x
create schema s
create type e as enum ('a')
create sequence s
create index i on items (item_id)
create secret (type s3, key_id 'x', secret 'y')
create function f(x) as x
drop view sids
drop table items
drop secret x
alter table items add column x int
comment on table items is 'x'
insert into items from items
insert or replace into items from items
update items set title = 'x'
delete from items
truncate items
merge into items using users on true when matched then delete
begin
begin transaction
commit
rollback
checkpoint
force checkpoint
vacuum
analyze
explain analyze delete from items
explain analyze copy items to '{here}/out.csv'
explain (format json) delete from items
explain explain select 1
explain /* a */ -- b
explain
select 1; select 2
select 1;; delete from items
with x as (delete from items returning *) from x
with x as (insert into items from items returning *) from x
pivot items on title using count(*)
from read_csv('{here}/x.csv')
from read_csv_auto('{here}/x.csv')
from read_parquet('{here}/x.parquet')
from parquet_scan('{here}/x.parquet')
from parquet_metadata('{here}/x.parquet')
from read_text('{here}/x.csv')
from read_blob('{here}/x.csv')
from read_json('{here}/x.csv')
from read_ndjson('{here}/x.csv')
from read_json_objects('{here}/x.csv')
from sniff_csv('{here}/x.csv')
from glob('{here}/*')
from read_duckdb('{here}/x.db')
from sqlite_scan('{here}/x.db', 'x')
from sqlite_attach('{here}/x.db')
from query('select 1')
from query_table('items')
from json_execute_serialized_sql('x')
from sql_auto_complete('sel')
from duckdb_settings()
from duckdb_secrets()
from duckdb_databases()
from duckdb_logs()
from duckdb_extensions()
from duckdb_temporary_files()
from duckdb_memory()
from pragma_database_list()
from pragma_storage_info('items')
from pragma_table_info('items')
from which_secret('s3://x', 's3')
from seq_scan('items')
from arrow_scan(1, 2, 3)
from pandas_scan(1)
from python_map_function(1)
from ducklake_snapshots('lake')
from ducklake_list_files('lake', 'items')
from lake.table_changes('items', 0, 1)
from '{here}/x.csv'
from '{here}/x.parquet'
from "{here}/x.csv"
select * from '{gone}/x.csv'
describe '{here}/x.csv'
describe from '{here}/x.parquet'
summarize '{here}/x.csv'
show '{here}/x.csv'
describe (from read_csv('{here}/x.csv'))
with "{here}/x.csv" as (select 1) from '{here}/x.csv' join '{here}/x.parquet' using (a)
select (select count(*) from read_text('{here}/x.csv'))
select exists (from glob('{here}/x.csv'))
select [x for x in (select list(content) from read_text('{here}/x.csv'))]
from items where title in (select content from read_text('{here}/x.csv'))
from range((select count(*) from glob('{here}/*'))::int)
select * from items order by (select count(*) from glob('{here}/*'))
select * from items limit (select count(*) from glob('{here}/*'))
select sum(1) over (order by (select count(*) from glob('{here}/*'))) from items
select 1 union all (select 1 from glob('{here}/*'))
select 1 intersect (select 1 from glob('{here}/*'))
with recursive r as (select 1 as n union all select n + 1 from r, glob('{here}/*')) from r
select unnest((select list(file) from glob('{here}/*')))
from items, lateral (from glob('{here}/*'))
from items asof join glob('{here}/*') on true
from items positional join glob('{here}/*')
from (pivot (from glob('{here}/*')) on file in ('a') using count(*))
from (unpivot (from glob('{here}/*')) on file)
from information_schema.tables
from pg_catalog.pg_settings
from sqlite_master
from duckdb_tables
from system.information_schema.tables
from memory.main.x
from temp.x
from __ducklake_metadata_lake.ducklake_snapshot
select getenv('HSRL_FUZZ_SECRET')
select current_setting('temp_directory')
select current_setting('allowed_directories')
select current_setting('home_directory')
select (current_setting)('secret_directory')
select main.current_setting('memory_limit')
select pg_catalog.current_setting('memory_limit')
select getvariable('x')
select write_log('x')
select nextval('s')
select currval('s')
select apply(['temp_directory'], lambda x: current_setting(x))
from range(1) order by current_setting('threads')
values (current_setting('threads'))
select json_serialize_plan('from glob(''{here}/*'')')
select error('boom')
select union_extract(1, 'a')
select 'x'::int
select 1::decimal(99, 2)
select nothing
select * from nothing
select no_such_function(1)
select case when range = 500000 then error('boom') else 1 end::int from range(1000000)
selec 1
'
"
$$
$1
?
select ?
select $1
select $name
select :name
select 1 +
)
;
;;
-- nothing
/* open
""".strip().splitlines()

ANSWERED = """
select union_value(k := 1)
select union_value(k := 'a') from range(3)
select [union_value(k := 1)]
select {{'a': union_value(k := 1)}}
select map {{'a': 1}}
select map {{1: 'a'}}
select map([], [])
select map {{[1]: {{'a': map {{1: 2}}}}}}
select [map {{'a': 1}}]
select 1::variant
select {{'a': [1]}}::variant
select [1::variant]
select '{{"a": 1}}'::json
select to_json({{'a': 1}})
select '101'::bit
select ['101'::bit]
select 1::hugeint
select sum(x) from (values (1::hugeint), (2)) t(x)
select 170141183460469231731687303715884105727::hugeint
select 340282366920938463463374607431768211455::uhugeint
select [1::uhugeint]
select 1::bignum
select interval 1 day
select [interval 1 day]
select {{'a': {{'b': interval 1 day}}}}
select '12:00:00'::time
select '24:00:00'::time
select '12:00:00.123456789'::time_ns
select ['12:00:00'::time]
select '12:00:00+01'::timetz
select timestamp 'infinity'
select timestamp '-infinity'
select timestamptz 'infinity'
select [timestamp 'infinity']
select {{'a': [date 'infinity']}}
select date '10000-01-01'
select date 'infinity'
select date '5877642-06-25 (BC)'
select timestamp '290000-01-01'
select timestamp '0001-01-01 (BC)'
select timestamp_ns '2020-01-01 00:00:00.123456789'
select 'infinity'::timestamp_ns
select 'infinity'::timestamp_s
select timestamp_ms '2020-01-01'
select timestamptz '2020-01-01 00:00:00+00'
select 'a'::enum('a', 'b')
select ['a'::enum('a', 'b')]
select uuid()
select [uuid()]
select null
select [null]
select []
select {{'a': null}}
select row(1, 2)
select [1, 2]::int[2]
select [[1, 2]]::int[2][1]
select [[[1]]]
select 1.5::decimal(38, 2)
select [1.5::decimal(38, 2)]
select '\\xAA'::blob
select ['\\xAA'::blob]
select {{'BIT': 1, 'INTERVAL': 2}}
select 'POINT(1 2)'::geometry
select 'nan'::float, 'inf'::double, '-inf'::double
select 1::tinyint, 1::utinyint, 1::smallint, 1::usmallint, 1::uinteger, 18446744073709551615::ubigint
select chr(0), 'a' || chr(0) || 'b'
select chr(27) || '[31mred', chr(155)
select 'é', '日本', '🙂', chr(8238) || 'x'
select 1 as "a b", 2 as "a""b", 4 as "é"
select 1 as a, 2 as a, 3 as a
select 1 as a, 2 as A
select * from (values (1, 2)) t(a, b)
select * exclude (title) from items
select columns('item.*') from items
from items select count(*)
from range(3) t(x) select x, x * 2
table items
values (1, 'a'), (2, 'b')
describe items
describe select 1
show tables
show items
summarize items
summarize select 1
explain select 1
explain analyze select 1
explain (format json) select 1
explain (from items)
-- explain\\nexplain select 1
pivot (select 1 as a, 2 as b) on a in (1, 2) using sum(b)
from (pivot (select 1 as a, 2 as b) on a in (1, 2) using sum(b))
unpivot (select 1 as a, 2 as b) on a, b
select unnest([1, 2]), unnest({{'a': 1}})
select unnest([{{'a': 1}}], recursive := true)
with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) from r
with recursive r as (select 1 as n union select n % 3 + 1 from r) from r
with x as materialized (select 1 as a) from x
select list_transform([1, 2], lambda x: x + 1)
select [x + 1 for x in [1, 2]]
select list(x) over (order by x) from range(3) t(x)
select count(*) filter (x > 1), list(x order by x desc) from range(3) t(x)
select * from items tablesample 10%
select * from range(10) using sample 3
select x from range(3) t(x) qualify row_number() over (order by x) = 1
select grouping(x), x from range(3) t(x) group by cube (x)
from items asof join items b on items.item_id >= b.item_id
from items positional join users
select regexp_replace('abc', 'b', 'x'), md5('a'), sha256('a'), hash(1)
select now(), today(), current_date, current_timestamp
select version(), current_schema(), current_database(), current_user
select random() < 2, setseed(0.5)
select strftime(timestamp '2020-01-01', '%Y'), date_trunc('day', timestamp '2020-01-01')
select try_cast('x' as int), typeof(1), pg_typeof(1)
from sids
from sid_buckets
from lineage
from sids_at(1)
from sid_items('1-2')
from sid_prefix('1')
from sids limit 0
select 1 where false
""".strip().splitlines()

LARGE = {
    "deep parentheses": "select " + "(" * 20_000 + "1" + ")" * 20_000,
    "deep sum": "select 1" + " + 1" * 20_000,
    "deep list": "select " + "[" * 20_000 + "]" * 20_000,
    "deep case": "select " + "case when true then " * 5_000 + "1" + " end" * 5_000,
    "deep subquery": "select * from (" * 3_000 + "select 1" + ")" * 3_000,
    "deep function": "select " + "abs(" * 5_000 + "1" + ")" * 5_000,
    "deep not": "select " + "not " * 20_000 + "true",
    "deep union": "select 1" + " union all select 1" * 500,
    "many columns": "select " + ", ".join("1" for _ in range(1_000)),
    "many ctes": "with " + ", ".join(f"c{n} as (select {n} as x)" for n in range(1_000)) + " from c999",
    "chain of ctes": "with c0 as (select 1 as x), "
    + ", ".join(f"c{n} as (select a.x from c{n - 1} a, c{n - 1} b)" for n in range(1, 25))
    + " select count(*) from c24",
    "long text": "select '" + "x" * 3_000_000 + "'",
    "surrogate": "select '\udc80'",
    "surrogate in a comment": "-- \udcff\nselect 1",
    "nul": "select 1\0",
    "nul in a text": "select 'a\0b'",
    "nul before": "\0select 1",
    "nothing but spaces": " \t\n\r\f\v\u00a0\u2003",
    "byte order mark": "\ufeffselect 1",
    "other spaces": "select\u00a01",
    "right to left": "select '\u202e'",
    "long name": 'select 1 as "' + "x" * 100_000 + '"',
    "long unknown name": "select " + "x" * 100_000,
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files that no question may see."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "schema.sql").write_text(f"select '{HIDDEN}'; garbage {HIDDEN}")
    (folder / "load.sql").write_text(f"select '{HIDDEN}'")
    (folder / "x.csv").write_text(f"a,b\n{HIDDEN},1\n")
    for name in ("x.parquet", "x.db", "x.duckdb_extension"):
        (folder / name).write_text(HIDDEN)
    return folder


@pytest.fixture(scope="module")
def door(empty_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for all of them, as opening it takes longer than asking."""
    with confined(empty_warehouse) as connection:
        yield connection


def ask(door: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The answer as text, or the refusal; both for people and in frames."""
    try:
        with asked(door, sql) as answer:
            assert len(answer.texts(5)) <= 5
        with asked(door, sql) as answer:
            rows = answer.frame()
    except QueryError as refusal:
        assert len(str(refusal).splitlines()) == 1 and str(refusal).isprintable(), repr(refusal)
        assert str(refusal).startswith("sql: ") and len(str(refusal)) < 2_000
        return f"refused: {refusal}"
    rows.rows()
    return str(rows)


def seen(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_no_question_is_refused_in_one_line(
    door: duckdb.DuckDBPyConnection, empty_warehouse: Path, outside: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSRL_FUZZ_SECRET", HIDDEN)
    before = seen(outside) | seen(empty_warehouse)
    there = ask(door, sql.format(here=outside, gone=outside / "gone"))
    gone = ask(door, sql.format(here=outside / "gone", gone=outside / "gone"))
    assert there.startswith("refused: "), there
    assert HIDDEN not in there
    # The same words, whether the files are there or not.
    assert there.replace(str(outside / "gone"), "").replace(str(outside), "") == gone.replace(str(outside / "gone"), "")
    assert seen(outside) | seen(empty_warehouse) == before


@pytest.mark.parametrize("sql", ANSWERED)
def test_every_kind_of_question_and_value_has_an_answer_or_one_line(door: duckdb.DuckDBPyConnection, sql: str) -> None:
    answer = ask(door, sql.replace("{{", "{").replace("}}", "}").replace("\\n", "\n").replace("\\\\", "\\"))
    # What no calendar holds is refused with advice that works.
    assert not answer.startswith("refused: ") or "::varchar" in answer, answer


@pytest.mark.parametrize("name", LARGE)
def test_statements_of_any_size_and_signs_are_answered_or_refused(door: duckdb.DuckDBPyConnection, name: str) -> None:
    ask(door, LARGE[name])


def test_nothing_lands_in_the_current_folder(
    door: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for sql in ("select 1", "export database 'x'", "attach 'x.db'", "from range(10) order by random()"):
        ask(door, sql)
    assert list(tmp_path.iterdir()) == []
