//! The statements that the double understands, and nothing else:
//!
//! ```text
//! SELECT expression [AS name], … [FROM keyspace [AS alias]] [WHERE condition [AND condition]*]
//!        [ORDER BY META(alias).id] [LIMIT $n]
//! PREPARE [name AS|FROM] SELECT …        EXECUTE name
//! ```
//!
//! Expressions are `META(d).id`, `META(d).cas`, `d`, `d.field`, `d.*`, `COUNT(*)`, `COUNT(META(d).cas)`, `SUM(ARRAY_LENGTH(d.field))`,
//! `NOW_MILLIS()`, a literal or a parameter; conditions are `META(d).id > x`, `e = x`, `e IN x`, `e IS NOT MISSING` and `e IS MISSING`. What is asked of
//! `system:indexes` may use `OR` and parentheses too, as the official client does.

use super::{
    failure::Failure,
    tokens::{Kind, Token, syntax_error, tokens},
};

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    Select(Select),
    /// To be planned and kept: its name if it has one, and the rest of the text.
    Prepare(Option<String>, String),
    Execute(String),
}

/// A `SELECT`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Select {
    pub projection: Vec<(Expression, String)>,
    /// What it reads, part by part, such as `bucket`, `scope`, `collection`; nothing for constants.
    pub from: Option<Vec<String>>,
    /// Whether it reads from the namespace `system`.
    pub is_system: bool,
    pub alias: String,
    pub condition: Condition,
    pub limit: Option<Expression>,
}

/// Something that has a value for each document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Id,
    Cas,
    Document,
    Star,
    Field(Vec<String>),
    Count,
    /// Of a list in each document.
    SumOfLengths(Vec<String>),
    NowMillis,
    Literal(String),
    Parameter(String),
}

/// What a document must meet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Greater(Expression, Expression),
    Equal(Expression, Expression),
    In(Expression, Expression),
    Missing(Expression, bool),
}

/// Reads a statement; its errors are those of the server.
pub(super) fn parse(statement: &str) -> Result<Statement, Failure> {
    let mut parser = Parser { statement, tokens: tokens(statement)?, next: 0, alias: String::new() };
    let parsed = parser.statement()?;
    if parser.next < parser.tokens.len() { Err(parser.error()) } else { Ok(parsed) }
}

struct Parser<'a> {
    statement: &'a str,
    tokens: Vec<Token>,
    next: usize,
    alias: String,
}

// === impl Parser ===

impl Parser<'_> {
    fn statement(&mut self) -> Result<Statement, Failure> {
        if self.keyword("PREPARE") {
            return self.prepare();
        }
        if self.keyword("EXECUTE") {
            return Ok(Statement::Execute(self.name()?));
        }
        if ["INSERT", "UPSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|word| self.is_keyword(word)) {
            return Err(Failure::read_only());
        }
        self.expect("SELECT")?;
        self.select().map(Statement::Select)
    }

    fn prepare(&mut self) -> Result<Statement, Failure> {
        let name = if self.is_keyword("SELECT") {
            None
        } else {
            let name = self.name()?;
            let _joined = self.keyword("AS") || self.keyword("FROM");
            Some(name)
        };
        let rest = self.tokens.get(self.next).and_then(|token| self.statement.get(token.at..)).unwrap_or_default();
        self.next = self.tokens.len();
        Ok(Statement::Prepare(name, rest.to_owned()))
    }

    fn select(&mut self) -> Result<Select, Failure> {
        self.alias = self.alias_ahead();
        let mut projection = vec![self.projected()?];
        while self.sign(',') {
            projection.push(self.projected()?);
        }
        let mut select = Select {
            projection,
            from: None,
            is_system: false,
            alias: self.alias.clone(),
            condition: Condition::All(Vec::new()),
            limit: None,
        };
        if self.keyword("FROM") {
            (select.from, select.is_system) = self.keyspace()?;
            if self.keyword("AS") {
                self.name()?;
            }
            if self.keyword("WHERE") {
                select.condition = self.any(select.is_system)?;
            }
            if self.keyword("ORDER") {
                self.expect("BY")?;
                self.order(select.is_system)?;
            }
        }
        if self.keyword("LIMIT") {
            select.limit = Some(self.expression()?);
        }
        Ok(select)
    }

    /// The alias is needed before the projection is read, and written after it.
    fn alias_ahead(&self) -> String {
        let is = |token: &Token, word: &str| token.word().is_some_and(|found| found.eq_ignore_ascii_case(word));
        let after: Vec<&Token> = self.tokens.iter().skip_while(|token| !is(token, "FROM")).skip(1).collect();
        let named = after.iter().skip_while(|token| !is(token, "AS")).nth(1);
        let is_path = |token: &&&Token| matches!(token.kind, Kind::Sign('.' | ':'));
        let parts = 1 + 2 * after.iter().skip(1).step_by(2).take_while(is_path).count();
        let word = named.or_else(|| after.get(parts - 1)).and_then(|token| token.word());
        word.unwrap_or_default().to_owned()
    }

    fn projected(&mut self) -> Result<(Expression, String), Failure> {
        let expression = self.expression()?;
        let name = if self.keyword("AS") { self.name()? } else { expression.default_name(&self.alias) };
        Ok((expression, name))
    }

    fn keyspace(&mut self) -> Result<(Option<Vec<String>>, bool), Failure> {
        let mut first = self.name()?;
        let mut is_system = false;
        if self.sign(':') {
            is_system = first == "system";
            first = self.name()?;
        }
        let mut path = vec![first];
        while self.sign('.') {
            path.push(self.name()?);
        }
        Ok((Some(path), is_system))
    }

    fn any(&mut self, is_system: bool) -> Result<Condition, Failure> {
        let mut conditions = vec![self.all(is_system)?];
        while is_system && self.keyword("OR") {
            conditions.push(self.all(is_system)?);
        }
        Ok(if conditions.len() == 1 { conditions.remove(0) } else { Condition::Any(conditions) })
    }

    fn all(&mut self, is_system: bool) -> Result<Condition, Failure> {
        let mut conditions = vec![self.condition(is_system)?];
        while self.keyword("AND") {
            conditions.push(self.condition(is_system)?);
        }
        Ok(Condition::All(conditions))
    }

    fn condition(&mut self, is_system: bool) -> Result<Condition, Failure> {
        if is_system && self.sign('(') {
            let inner = self.any(is_system)?;
            return if self.sign(')') { Ok(inner) } else { Err(self.error()) };
        }
        let left = self.expression()?;
        if left == Expression::Id && self.sign('>') {
            return Ok(Condition::Greater(left, self.expression()?));
        }
        if self.sign('=') {
            return Ok(Condition::Equal(left, self.expression()?));
        }
        if self.keyword("IN") {
            return Ok(Condition::In(left, self.expression()?));
        }
        self.expect("IS")?;
        let is_missing = !self.keyword("NOT");
        self.expect("MISSING")?;
        Ok(Condition::Missing(left, is_missing))
    }

    /// Documents are in the order of their keys and indexes in that of their names, whatever else would be asked for.
    fn order(&mut self, is_system: bool) -> Result<(), Failure> {
        loop {
            let at = self.next;
            if self.expression()? != Expression::Id && !is_system {
                self.next = at;
                return Err(self.error());
            }
            let _direction = self.keyword("ASC") || (is_system && self.keyword("DESC"));
            if !self.sign(',') {
                return Ok(());
            }
        }
    }

    fn expression(&mut self) -> Result<Expression, Failure> {
        let Some(token) = self.tokens.get(self.next).cloned() else { return Err(self.error()) };
        match token.kind {
            Kind::Literal(json) => {
                self.next += 1;
                Ok(Expression::Literal(json))
            }
            Kind::Parameter(name) => {
                self.next += 1;
                Ok(Expression::Parameter(name))
            }
            Kind::Word(word, false) if word.eq_ignore_ascii_case("META") => self.meta(),
            Kind::Word(word, false) if word.eq_ignore_ascii_case("COUNT") => {
                self.call(&['('])?;
                // Every document has a CAS, so counting it is counting documents.
                if !self.sign('*') && self.expression()? != Expression::Cas {
                    return Err(self.error());
                }
                if self.sign(')') { Ok(Expression::Count) } else { Err(self.error()) }
            }
            Kind::Word(word, false) if word.eq_ignore_ascii_case("SUM") => self.sum_of_lengths(),
            Kind::Word(word, false) if word.eq_ignore_ascii_case("NOW_MILLIS") => {
                self.call(&['(', ')'])?;
                Ok(Expression::NowMillis)
            }
            Kind::Word(..) => self.path(),
            Kind::Sign(_) => Err(self.error()),
        }
    }

    fn call(&mut self, signs: &[char]) -> Result<(), Failure> {
        self.next += 1;
        for sign in signs {
            if !self.sign(*sign) {
                return Err(self.error());
            }
        }
        Ok(())
    }

    fn sum_of_lengths(&mut self) -> Result<Expression, Failure> {
        self.call(&['('])?;
        self.expect("ARRAY_LENGTH")?;
        if !self.sign('(') {
            return Err(self.error());
        }
        match self.path()? {
            Expression::Field(path) if self.sign(')') && self.sign(')') => Ok(Expression::SumOfLengths(path)),
            _ => Err(self.error()),
        }
    }

    fn meta(&mut self) -> Result<Expression, Failure> {
        self.call(&['('])?;
        if !self.sign(')') {
            let at = self.next;
            if self.name()? != self.alias {
                self.next = at;
                return Err(self.error());
            }
            if !self.sign(')') {
                return Err(self.error());
            }
        }
        if !self.sign('.') {
            return Err(self.error());
        }
        if self.keyword("id") {
            return Ok(Expression::Id);
        }
        self.expect("cas").map(|()| Expression::Cas)
    }

    fn path(&mut self) -> Result<Expression, Failure> {
        let mut path = vec![self.name()?];
        while self.sign('.') {
            if self.sign('*') {
                return Ok(Expression::Star);
            }
            path.push(self.name()?);
        }
        if path.first() == Some(&self.alias) {
            path.remove(0);
        }
        Ok(if path.is_empty() { Expression::Document } else { Expression::Field(path) })
    }

    fn name(&mut self) -> Result<String, Failure> {
        let word = self.tokens.get(self.next).and_then(Token::word).map(str::to_owned);
        self.next += usize::from(word.is_some());
        word.ok_or_else(|| self.error())
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        let token = self.tokens.get(self.next);
        token.is_some_and(|token| matches!(&token.kind, Kind::Word(word, false) if word.eq_ignore_ascii_case(keyword)))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Failure> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.error()) }
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|token| token.kind == Kind::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn error(&self) -> Failure {
        syntax_error(self.statement, self.tokens.get(self.next).map_or(self.statement.len(), |token| token.at))
    }
}

// === impl Token ===

impl Token {
    fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word, _) => Some(word),
            _ => None,
        }
    }
}

// === impl Expression ===

impl Expression {
    /// Whether it has one value for all documents together.
    pub fn is_aggregate(&self) -> bool {
        matches!(self, Self::Count | Self::SumOfLengths(_))
    }

    fn default_name(&self, alias: &str) -> String {
        match self {
            Self::Id => "id".to_owned(),
            Self::Cas => "cas".to_owned(),
            Self::Document => alias.to_owned(),
            Self::Field(path) => path.last().cloned().unwrap_or_default(),
            _ => "$1".to_owned(),
        }
    }
}
