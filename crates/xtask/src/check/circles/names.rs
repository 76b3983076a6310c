//! What a file names: its imports, and the paths in its code.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Item, ItemUse, Macro, Path, UseTree, Visibility, visit::Visit};

/// What a file names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What each imported name stands for.
    pub(super) imported: BTreeMap<String, Vec<String>>,
    /// Every path that the file uses itself, and does not only pass on.
    pub(super) named: Vec<Vec<String>>,
}

impl Names {
    /// Reads a file; what is for tests only is left out.
    pub(super) fn of(text: &str) -> syn::Result<Self> {
        let mut names = Self::default();
        names.visit_file(&syn::parse_file(text)?);
        Ok(names)
    }

    fn import(&mut self, path: &mut Vec<String>, tree: &UseTree, is_passed_on: bool) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(path, &step.tree, is_passed_on);
                path.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(path, tree, is_passed_on)),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let own: Vec<String> = path.iter().cloned().chain((name != "self").then(|| name.clone())).collect();
                let known_as = own.last().cloned().unwrap_or(name);
                self.imported_as(known_as, own, is_passed_on);
            }
            UseTree::Rename(rename) => {
                let own = path.iter().cloned().chain([rename.ident.to_string()]).filter(|word| word != "self");
                self.imported_as(rename.rename.to_string(), own.collect(), is_passed_on);
            }
            UseTree::Glob(_) => self.named.push(path.clone()),
        }
    }

    fn imported_as(&mut self, name: String, path: Vec<String>, is_passed_on: bool) {
        if !is_passed_on {
            self.named.push(path.clone());
        }
        self.imported.insert(name, path);
    }

    /// Paths in a macro's tokens, which nobody but the macro can parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(word) if colons == 2 || path.is_empty() => {
                    path.push(word.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(word) => {
                    self.named.push(std::mem::replace(&mut path, vec![word.to_string()]));
                    colons = 0;
                    continue;
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            self.named.push(std::mem::take(&mut path));
            colons = 0;
        }
        self.named.push(path);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_passed_on = !matches!(item.vis, Visibility::Inherited);
        self.import(&mut Vec::new(), &item.tree, is_passed_on);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.segments.len() > 1 {
            self.named.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.tokens(item.tokens.clone());
        syn::visit::visit_macro(self, item);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let list = attribute.meta.require_list();
    attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
}
