-- What rules of audiences ask of texts: a date or a time that is none gives null, and nothing here can raise.

-- A date of the calendar: 2027-01-31.
CREATE FUNCTION date_in(given text) RETURNS date LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  d date;
BEGIN
  IF length(given) = 10 AND given ~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN
    d := make_date(substr(given, 1, 4)::integer, substr(given, 6, 2)::integer, 1) + (substr(given, 9, 2)::integer - 1);
    IF extract(month FROM d) = substr(given, 6, 2)::integer THEN
      RETURN d;
    END IF;
  END IF;
  RETURN NULL;
END $$;

-- A moment: a time with an offset, to the millisecond; or the beginning of a date in a zone.
CREATE FUNCTION moment_in(given text, zone text) RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  m text[];
  d date;
BEGIN
  IF given IS NULL OR length(given) < 10 OR length(given) > 40 THEN
    RETURN NULL;
  END IF;
  IF length(given) = 10 THEN
    RETURN date_in(given)::timestamp AT TIME ZONE zone;
  END IF;
  m := regexp_match(given, '^([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?(?:Z|([+-])(0[0-9]|1[0-5]):?([0-5][0-9]))$');
  d := date_in(m[1]);
  IF d IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN (d::timestamp
    + make_interval(hours => m[2]::integer, mins => m[3]::integer,
        secs => (coalesce(m[4], '0') || '.' || left(coalesce(m[5], '') || '000', 3))::double precision)
    - make_interval(mins => CASE WHEN m[6] = '-' THEN -1 ELSE 1 END * (coalesce(m[7], '0')::integer * 60 + coalesce(m[8], '0')::integer)))
    AT TIME ZONE 'UTC';
END $$;

-- The calendar day that a text names, or of the moment that it tells.
CREATE FUNCTION day_in(given text, zone text) RETURNS date LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN coalesce(date_in(given), (moment_in(given, zone) AT TIME ZONE zone)::date);
END $$;

-- Whether a day is an anniversary of another; 29 February has its on the 28th when there is no 29th.
CREATE FUNCTION same_day_of_year(birth date, day date) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT extract(month FROM birth) = extract(month FROM day)
     AND (extract(day FROM birth) = extract(day FROM day)
          OR extract(month FROM birth) = 2 AND extract(day FROM birth) = 29 AND extract(day FROM day) = 28
             AND extract(day FROM day + 1) = 1)
$$;
